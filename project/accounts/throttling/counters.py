"""Rows that count failed attempts, in Axes' table, shared by all processes.

A row belongs to a name, an address and a `what`, which is stored in Axes' user agent column: a
client cannot choose it. An attempt is reserved before the check and released if it was not wrong,
so concurrent attempts get no more than sequential ones. Each failure deletes rows that are older
than `settings.AXES_COOLOFF_TIME`, except those that the audit log has yet to report (`UNREPORTED`).
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
SOMEWHERE = "::"  # stands for no address: NULLs are not unique
NAME_MOST = 150  # characters, as in `User.username`
TOO_LONG = "a name that is too long"
DELETED_MOST = 1000
Key = tuple[str | None, str | None, str]  # name, address, what
UNREPORTED = "", NOWHERE  # name and address of rows that the audit log has yet to report


@dataclass(frozen=True, slots=True)
class Attempt:
    """A reserved attempt: the key of its row, and the row's count with it."""

    row: int
    number: int


def rows(key: Key) -> QuerySet[Any]:
    """Return the row of the key, or none."""
    name, _, _ = key
    return rows_at(key).filter(username=_short(name))


def rows_at(key: Key) -> QuerySet[Any]:
    """Return the rows of all names at the key's address."""
    _, address, what = key
    found: QuerySet[Any] = AccessAttempt.objects.filter(
        ip_address=address or SOMEWHERE, user_agent=what
    )
    return found


def row(key: Key, now: datetime) -> tuple[Any, bool]:
    """Return the row, and True if it was created, with a count of 1."""
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


def reserve(key: Key, most: int, now: datetime, since: datetime) -> Attempt | None:
    """Reserve an attempt; None if there are `most` since `since`. Its number is unique."""
    while True:  # again if another process deleted or renewed the row
        with transaction.atomic():
            found, made = row(key, now)
            mine = AccessAttempt.objects.filter(pk=found.pk)
            over = mine.filter(attempt_time__lt=since)
            if made or over.update(failures_since_start=1, attempt_time=now):
                return Attempt(found.pk, 1)
            one_more = {"failures_since_start": F("failures_since_start") + 1, "attempt_time": now}
            if mine.filter(failures_since_start__lt=most).update(**one_more):
                number = mine.values_list("failures_since_start", flat=True).get()
                return Attempt(found.pk, number)
            if mine.filter(failures_since_start__gte=most, attempt_time__gte=since).exists():
                return None


@transaction.atomic
def release(attempt: Attempt) -> None:
    """Release an attempt that was not wrong. Deletes the row if its count becomes 0."""
    mine = AccessAttempt.objects.filter(pk=attempt.row)
    one_less = {"failures_since_start": F("failures_since_start") - 1}
    if mine.filter(failures_since_start__gt=0).update(**one_less):  # locks the row
        mine.filter(failures_since_start=0).delete()


@transaction.atomic
def count(key: Key, now: datetime) -> int:
    """Add one failure; return the new count, which no other caller gets."""
    _, made = row(key, now)
    if made or not increment(key, now):  # deleted meanwhile: expired
        return 1
    failures: int = rows(key).values_list("failures_since_start", flat=True).get()
    return failures


def increment(key: Key, now: datetime) -> bool:
    """Add one failure to a row; False if there is none."""
    changes = {"failures_since_start": F("failures_since_start") + 1, "attempt_time": now}
    return bool(rows(key).update(**changes))


@transaction.atomic
def delete_expired(until: datetime) -> int:
    """Delete rows without a failure since `until`, the oldest `DELETED_MOST`; return how many.

    Rows that another transaction has locked are skipped: it is counting on them.
    """
    name, address = UNREPORTED
    old = AccessAttempt.objects.filter(attempt_time__lte=until).order_by("attempt_time")
    found = old.exclude(username=name, ip_address=address).select_for_update(skip_locked=True)
    expired = [each.pk for each in found[:DELETED_MOST]]
    deleted, _ = AccessAttempt.objects.filter(pk__in=expired).delete()
    return int(deleted)


def total(counted: QuerySet[Any], most_each: int) -> int:
    """Return the sum of failures, of which each row contributes at most `most_each`."""
    each = counted.annotate(counted=Least("failures_since_start", Value(most_each)))
    return each.aggregate(whole=Sum("counted"))["whole"] or 0
