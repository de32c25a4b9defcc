"""The admin of organizations, users and tokens. It shows no secrets, and changes are in the audit
log."""

from project.accounts.admin import groups, organizations, tokens, users
from project.accounts.admin.users import PersonAdmin

__all__ = ["PersonAdmin", "groups", "organizations", "tokens", "users"]
