"""Backups: one file with the database, the files of the data folder and, optionally, the keys."""
