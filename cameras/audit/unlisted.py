"""How many failed sign-ins the log lists, over all addresses; and one entry for how many more.

One address is bounded by its lock. Whoever has many could still fill the log, and the disk with it:
so `MOST` of each kind are listed in a `STRETCH`. The count is in the database, where all processes
and a restart find it; it becomes an entry when the stretch is over. Failures of people that there
are have a count of their own, for noise of invented names is not to hide them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from axes.models import AccessAttempt
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from cameras.audit.actions import Action
from cameras.audit.askers import Asker
from cameras.audit.notes import note
from cameras.tallies import NOWHERE, row, rows

MOST = 30
STRETCH = timedelta(minutes=1)


class Kind(StrEnum):
    """What is counted on its own, as its row is called and as the log says it."""

    KNOWN = "failed sign-ins under names of people"
    UNKNOWN = "failed sign-ins under other names"
    LOCK = "lockouts, and tries while locked out"


def is_listed(kind: Kind) -> bool:
    """Count one more; whether it is to be an entry of its own. Call it once for each."""
    now = timezone.now()
    _, made = row(_key(kind), now)
    if made:
        return True
    _begin_anew(kind, now)
    one_more = {"failures_since_start": F("failures_since_start") + 1}
    if rows(_key(kind)).filter(failures_since_start__lt=MOST).update(**one_more):
        return True
    rows(_key(kind)).update(**one_more)
    return False


def write_unlisted(all_of_them: bool = False) -> None:
    """Write how many were not listed in stretches that are over; at the end of a process, in all.

    Where it raises, what is left is kept.
    """
    for kind in Kind:
        _write(kind, None if all_of_them else timezone.now() - STRETCH)


def _begin_anew(kind: Kind, now: datetime) -> None:
    """Where the stretch is over, for one of those who find it so."""
    over = rows(_key(kind)).filter(attempt_time__lte=now - STRETCH)
    if over.exists():
        _write(kind, now - STRETCH)
        over.update(failures_since_start=0, attempt_time=now)


@transaction.atomic
def _write(kind: Kind, until: datetime | None) -> None:
    """The entry of a stretch that began until then; once, whoever comes at the same time."""
    found = rows(_key(kind)).filter(failures_since_start__gt=MOST)
    if until is not None:
        found = found.filter(attempt_time__lte=until)
    counted = found.select_for_update().first()
    if counted is None:
        return
    more = counted.failures_since_start - MOST
    AccessAttempt.objects.filter(pk=counted.pk).update(failures_since_start=MOST)
    detail = f"within a minute from {counted.attempt_time:%H:%M:%S} UTC; they are not listed"
    note(Asker(), Action.SIGN_IN_FAILED, f"{more} more {kind}", detail=detail)


def _key(kind: Kind) -> tuple[str, str, str]:
    return "", NOWHERE, kind
