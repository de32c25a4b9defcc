"""The rows in which wrong tries are counted: Axes' own table, in which all processes count.

A row is of a name at an address, and of one `what`: it stands where Axes has the browser's name,
which no client reaches. What is slow to examine is taken before it is, and given back where it was
not wrong: so many at once are no more than one after the other. Rows that were not counted on for
`settings.AXES_COOLOFF_TIME` are removed with the next wrong try, whosever they are; those of nobody
at all (`UNTOLD`) stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from axes.models import AccessAttempt
from django.db import transaction
from django.db.models import F, QuerySet, Sum, Value
from django.db.models.functions import Least

NOWHERE = "0.0.0.0"  # nosec B104  # a key of a row, not bound
SOMEWHERE = "::"  # for who comes from no address: rows with NULL would be one for each try
NAME_MOST = 150  # characters, as of names of people
TOO_LONG = "a name that is too long"
FORGOTTEN_MOST = 1000
Key = tuple[str | None, str | None, str]  # name, address, what
UNTOLD = "", NOWHERE  # name and address of counts that the audit log has yet to tell


@dataclass(frozen=True, slots=True)
class Try:
    """One that was taken: of which row, and which number it was there."""

    row: int
    number: int


def rows(key: Key) -> QuerySet[Any]:
    """The row, if there is one."""
    name, _, _ = key
    return rows_at(key).filter(username=_short(name))


def rows_at(key: Key) -> QuerySet[Any]:
    """Those of all names at the address."""
    _, address, what = key
    found: QuerySet[Any] = AccessAttempt.objects.filter(
        ip_address=address or SOMEWHERE, user_agent=what
    )
    return found


def row(key: Key, now: datetime) -> tuple[Any, bool]:
    """The row, and whether it was made just now, with one failure."""
    name, address, what = key
    found: tuple[Any, bool] = AccessAttempt.objects.get_or_create(
        username=_short(name),
        ip_address=address or SOMEWHERE,
        user_agent=what,
        defaults={"failures_since_start": 1, "attempt_time": now},
    )
    return found


def _short(name: str | None) -> str:
    return (name or "") if len(name or "") <= NAME_MOST else TOO_LONG


def take(key: Key, most: int, now: datetime, since: datetime) -> Try | None:
    """One more, where there are fewer than `most` since then; else None. Nobody else is told its
    number."""
    while True:  # each further turn is one in which somebody else removed or renewed the row
        with transaction.atomic():
            found, made = row(key, now)
            mine = AccessAttempt.objects.filter(pk=found.pk)
            over = mine.filter(attempt_time__lt=since)
            if made or over.update(failures_since_start=1, attempt_time=now):
                return Try(found.pk, 1)
            one_more = {"failures_since_start": F("failures_since_start") + 1, "attempt_time": now}
            if mine.filter(failures_since_start__lt=most).update(**one_more):
                number = mine.values_list("failures_since_start", flat=True).get()
                return Try(found.pk, number)
            if mine.filter(failures_since_start__gte=most, attempt_time__gte=since).exists():
                return None


@transaction.atomic
def give_back(taken: Try) -> None:
    """It was not wrong. A row on which nothing else is counted goes."""
    mine = AccessAttempt.objects.filter(pk=taken.row)
    one_less = {"failures_since_start": F("failures_since_start") - 1}
    if mine.filter(failures_since_start__gt=0).update(**one_less):  # no longer another's to change
        mine.filter(failures_since_start=0).delete()


@transaction.atomic
def count(key: Key, now: datetime) -> int:
    """One more; how many there are then, and nobody else is told that number."""
    _, made = row(key, now)
    if made or not again(key, now):  # removed meanwhile, and not counted any more
        return 1
    failures: int = rows(key).values_list("failures_since_start", flat=True).get()
    return failures


def again(key: Key, now: datetime) -> bool:
    """One more on a row; False where there is none."""
    changes = {"failures_since_start": F("failures_since_start") + 1, "attempt_time": now}
    return bool(rows(key).update(**changes))


@transaction.atomic
def forget(until: datetime) -> int:
    """Remove what was not counted on since then, the oldest first; how many rows that were.

    `FORGOTTEN_MOST` at a time. A row that is counted on at this moment stays, so they are locked.
    """
    name, address = UNTOLD
    old = AccessAttempt.objects.filter(attempt_time__lte=until).order_by("attempt_time")
    found = old.exclude(username=name, ip_address=address).select_for_update(skip_locked=True)
    gone = [one.pk for one in found[:FORGOTTEN_MOST]]
    removed, _ = AccessAttempt.objects.filter(pk__in=gone).delete()
    return int(removed)


def total(counted: QuerySet[Any], most_each: int) -> int:
    """The failures of all of them; of each, `most_each` at most."""
    each = counted.annotate(counted=Least("failures_since_start", Value(most_each)))
    return each.aggregate(whole=Sum("counted"))["whole"] or 0
