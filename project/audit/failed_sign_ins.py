"""How many failed sign-ins get an entry of their own, and the count of the others.

Of each kind, `MAX_LISTED` a minute are listed; the others are counted in one more entry: an
attacker who never stops, or who has many addresses, would fill the disk.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from axes.models import AccessAttempt
from django.db import transaction
from django.utils import timezone

from project.accounts.throttling.attempts import NOWHERE
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
    """What is counted separately, in the words of the entry. Each has a row in Axes' table, which
    all processes share: the start of its minute, and the events since."""

    KNOWN = "failed sign-ins under names of people"
    UNKNOWN = "failed sign-ins under other names"
    LOCK = "lockouts, and tries while locked out"


@transaction.atomic
def claim_entry(kind: Kind) -> bool:
    """Count one event; return True if it gets an entry of its own. Call it once per event."""
    now = timezone.now()
    minute, _ = AccessAttempt.objects.select_for_update().get_or_create(
        username="",
        ip_address=NOWHERE,
        user_agent=kind,
        defaults={"failures_since_start": 0, "attempt_time": now},
    )
    if minute.attempt_time <= now - WINDOW:
        _write_count(minute)
        minute.failures_since_start, minute.attempt_time = 0, now
    minute.failures_since_start += 1
    minute.save()
    return bool(minute.failures_since_start <= MAX_LISTED)


@transaction.atomic
def write_unlisted(include_open: bool = False) -> None:
    """Write the counts of minutes that are over, or of all (at the end of the process).

    If a write raises, all counts are kept.
    """
    until = timezone.now() - (timedelta() if include_open else WINDOW)
    minutes = AccessAttempt.objects.filter(ip_address=NOWHERE, user_agent__in=list(Kind))
    uncounted = minutes.filter(attempt_time__lte=until, failures_since_start__gt=MAX_LISTED)
    for minute in uncounted.order_by("pk").select_for_update():
        _write_count(minute)
        minute.failures_since_start = MAX_LISTED
        minute.save()


def _write_count(minute: AccessAttempt) -> None:
    """Write the entry with the number of events that were not listed, if there were any."""
    more = minute.failures_since_start - MAX_LISTED
    if more > 0:
        detail = f"within a minute from {minute.attempt_time:%H:%M:%S} UTC; they are not listed"
        subject = f"{more} more {minute.user_agent}"
        log_action(Requester(), Action.SIGN_IN_FAILED, subject, detail=detail)
