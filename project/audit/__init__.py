"""The audit log: who did what, by what, from where, when. Written once, read with a trace."""
