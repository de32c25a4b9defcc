"""The database: its state, its errors, its clock, and our backend for PostgreSQL."""
