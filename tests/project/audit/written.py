"""Reads log entries in tests."""

from __future__ import annotations

from typing import Any

from project.audit.log import Action
from project.audit.models import AuditEntry


def logged_actions(**filters: Any) -> list[tuple[str, str, str]]:
    """Return action, subject and detail of all entries except successful sign-ins."""
    entries = AuditEntry.objects.filter(**filters).exclude(action=Action.SIGN_IN).order_by("pk")
    return list(entries.values_list("action", "subject", "detail"))
