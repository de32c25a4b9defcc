"""How many failed sign-ins the log lists, over all addresses; and one entry for how many more.

One address is bounded by its lock. Whoever has many could still fill the log, and the disk with it:
so `MOST` of each kind are listed in a `STRETCH`. The count is in the database, where all processes
and a restart find it; it becomes an entry when the stretch is over. Failures of people that there
are have a count of their own, for noise of invented names is not to hide them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from cameras.audit.actions import Action
from cameras.audit.askers import Asker
from cameras.audit.notes import note
from cameras.tries import UNTOLD, Key, row, rows

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
    if rows(_key(kind)).filter(attempt_time__lte=now - STRETCH).exists():
        _tell(kind, until=now - STRETCH, anew=now)
    one_more = {"failures_since_start": F("failures_since_start") + 1}
    if rows(_key(kind)).filter(failures_since_start__lt=MOST).update(**one_more):
        return True
    return not rows(_key(kind)).update(**one_more)  # without a row nobody would tell of it


def write_unlisted(all_of_them: bool = False) -> None:
    """Write how many were not listed in stretches that are over; at the end of a process, in all.

    Where it raises, what is left is kept.
    """
    until = timezone.now() - (timedelta() if all_of_them else STRETCH)
    for kind in Kind:
        if rows(_key(kind)).filter(failures_since_start__gt=MOST, attempt_time__lte=until).exists():
            _tell(kind, until)


@transaction.atomic
def _tell(kind: Kind, until: datetime, anew: datetime | None = None) -> None:
    """The entry of a stretch that began until then, where there is something to tell; a new one
    may begin. Once, whoever comes at the same time."""
    counted = rows(_key(kind)).filter(attempt_time__lte=until).select_for_update().first()
    if counted is None:
        return
    began, more = counted.attempt_time, counted.failures_since_start - MOST
    if more > 0:
        detail = f"within a minute from {began:%H:%M:%S} UTC; they are not listed"
        note(Asker(), Action.SIGN_IN_FAILED, f"{more} more {kind}", detail=detail)
        counted.failures_since_start = MOST
    if anew is not None:
        counted.failures_since_start, counted.attempt_time = 0, anew
    changes = {"failures_since_start": counted.failures_since_start}
    rows(_key(kind)).update(**changes, attempt_time=counted.attempt_time)


def _key(kind: Kind) -> Key:
    return *UNTOLD, kind
