"""The installation's own view of everything. Secrets are read-only, masked or absent, and what is
done here is in the audit log like what is done elsewhere."""

from cameras.admin import audit, cameras, credentials, organizations, people
from cameras.admin.people import PersonAdmin

__all__ = ["PersonAdmin", "audit", "cameras", "credentials", "organizations", "people"]
