"""What the log says was done."""

from __future__ import annotations

from typing import Any

from project.audit.log import Action
from project.audit.models import AuditEntry


def logged_actions(**of: Any) -> list[tuple[str, str, str]]:
    """Action, subject and detail of all entries but successful sign-ins."""
    entries = AuditEntry.objects.filter(**of).exclude(action=Action.SIGN_IN).order_by("pk")
    return list(entries.values_list("action", "subject", "detail"))
