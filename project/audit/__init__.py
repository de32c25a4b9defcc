"""The audit log: who did what, when, with which credential and from which address. Append-only."""
