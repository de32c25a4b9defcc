"""The installation's own view of cameras. Secrets are read-only, masked or absent, and what is done
here is in the audit log like what is done elsewhere."""

from cameras.admin import cameras, credentials

__all__ = ["cameras", "credentials"]
