"""The installation's own view of organizations and people. Secrets are absent, and what is done
here is in the audit log like what is done elsewhere."""

from project.accounts.admin import groups, organizations, tokens, users
from project.accounts.admin.users import PersonAdmin

__all__ = ["PersonAdmin", "groups", "organizations", "tokens", "users"]
