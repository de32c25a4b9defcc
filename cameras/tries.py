"""The rows in which wrong tries are counted: Axes' own table, in which all processes count.

A row is of a name at an address, and of one `what`: it stands where Axes has the browser's name,
which no client reaches. Rows that were not counted on for `settings.AXES_COOLOFF_TIME` are removed
with the next wrong try, whosever they are; those of nobody at all (`UNTOLD`) stay.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axes.models import AccessAttempt
from django.db import transaction
from django.db.models import F, QuerySet, Sum, Value
from django.db.models.functions import Least

NOWHERE = "0.0.0.0"  # nosec B104  # a key of a row, not bound
Key = tuple[str | None, str | None, str]  # name, address, what
UNTOLD = "", NOWHERE  # name and address of counts that the audit log has yet to tell


def rows(key: Key) -> QuerySet[Any]:
    """The row, if there is one."""
    name, address, what = key
    found: QuerySet[Any] = AccessAttempt.objects.filter(
        username=name, ip_address=address, user_agent=what
    )
    return found


def row(key: Key, now: datetime) -> tuple[Any, bool]:
    """The row, and whether it was made just now, with one failure."""
    name, address, what = key
    found: tuple[Any, bool] = AccessAttempt.objects.get_or_create(
        username=name,
        ip_address=address,
        user_agent=what,
        defaults={"failures_since_start": 1, "attempt_time": now},
    )
    return found


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


def forget(until: datetime) -> int:
    """Remove what was not counted on since then; how many rows that were."""
    name, address = UNTOLD
    old = AccessAttempt.objects.filter(attempt_time__lte=until)
    removed, _ = old.exclude(username=name, ip_address=address).delete()
    return int(removed)


def total(counted: QuerySet[Any], most_each: int) -> int:
    """The failures of all of them; of each, `most_each` at most."""
    each = counted.annotate(counted=Least("failures_since_start", Value(most_each)))
    return each.aggregate(whole=Sum("counted"))["whole"] or 0
