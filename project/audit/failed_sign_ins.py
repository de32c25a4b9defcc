"""How many failed sign-ins get an entry of their own, and the count of the others.

Of each kind, `MAX_LISTED` a minute are listed; the others are counted in one more entry: an
attacker who never stops, or who has many addresses, would fill the disk.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from project.accounts.throttling.counters import UNREPORTED, Key, row, rows
from project.audit.log import Action, log_action
from project.audit.requesters import Requester

SIGN_IN_METHODS = {  # URL name: detail of the entry
    "signin": "by password",
    "signin-link": "by a sign-in link",
    "api-login": "by password, over the API",
    "second-step": "by a code, as the second step",
    "password": "as the present password",
    "email": "as the present password",
    "second-factor": "as the present password",
    "second-factor-off": "as the proof that it is them",
    "recovery-codes": "as the proof that it is them",
    "reset": "by a reset link",
    "invitation": "by an invitation",
    "shared": "by a share link",
    "api-camera-snapshot": "by a stream key",
    "api-camera-mjpeg": "by a stream key",
}

MAX_LISTED = 30
WINDOW = timedelta(minutes=1)


class Kind(StrEnum):
    """What is counted separately: the key of the row with the count, and the words of the entry."""

    KNOWN = "failed sign-ins under names of people"
    UNKNOWN = "failed sign-ins under other names"
    LOCK = "lockouts, and tries while locked out"


def claim_entry(kind: Kind) -> bool:
    """Count one event; return True if it gets an entry of its own. Call it once per event."""
    now = timezone.now()
    _, is_new = row(_key(kind), now)
    if is_new:
        return True
    if rows(_key(kind)).filter(attempt_time__lte=now - WINDOW).exists():
        _write_count(kind, until=now - WINDOW, restart_at=now)
    one_more = {"failures_since_start": F("failures_since_start") + 1}
    if rows(_key(kind)).filter(failures_since_start__lt=MAX_LISTED).update(**one_more):
        return True
    # If the row has just been deleted, nothing counts the event: it gets an entry.
    return not rows(_key(kind)).update(**one_more)


def write_unlisted(include_open: bool = False) -> None:
    """Write the counts of windows that are over, or of all (at the end of the process).

    If a write raises, that count and the later ones are kept.
    """
    until = timezone.now() - (timedelta() if include_open else WINDOW)
    for kind in Kind:
        due = rows(_key(kind)).filter(failures_since_start__gt=MAX_LISTED)
        if due.filter(attempt_time__lte=until).exists():
            _write_count(kind, until)


@transaction.atomic
def _write_count(kind: Kind, until: datetime, restart_at: datetime | None = None) -> None:
    """Write the entry with the count of a window that began before `until`, if there is a count.

    `restart_at` begins a new window. The row lock makes concurrent callers write it once.
    """
    window = rows(_key(kind)).filter(attempt_time__lte=until).select_for_update().first()
    if window is None:
        return
    started_at, more = window.attempt_time, window.failures_since_start - MAX_LISTED
    if more > 0:
        detail = f"within a minute from {started_at:%H:%M:%S} UTC; they are not listed"
        log_action(Requester(), Action.SIGN_IN_FAILED, f"{more} more {kind}", detail=detail)
        window.failures_since_start = MAX_LISTED
    if restart_at is not None:
        window.failures_since_start, window.attempt_time = 0, restart_at
    changes = {"failures_since_start": window.failures_since_start}
    rows(_key(kind)).update(**changes, attempt_time=window.attempt_time)


def _key(kind: Kind) -> Key:
    return *UNREPORTED, kind
