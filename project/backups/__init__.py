"""Backups: one file with the database, the files beside it and, where asked for, the keys."""
