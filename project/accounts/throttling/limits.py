"""Keys of the rows on which a request's failures are counted: of its device, or its address."""

from __future__ import annotations

from typing import Any

from axes.attempts import get_cool_off_threshold
from django.db.models import QuerySet

from project.accounts.throttling.counters import (
    NAME_MOST,
    NOWHERE,
    Key,
    count,
    increment,
    rows_at,
    total,
)
from project.accounts.throttling.devices import COOKIE, device_number_for_name

ADDRESS_LIMIT = 80  # many users can share one address, such as a school's

# What a row counts besides names. Stored in the database: do not change. DEVICE has no address.
REFUSED = "tries while locked out"
KEPT_LOCKED = "tries of new names while the address is locked"
TURN_TAKEN = "a try of a new name while the address is locked"
LOCK_LOGGED = "the lock of the address is told"
DEVICE = "a known device, number"


def at_address(request: Any, name: str | None, what: str = "") -> Key:
    """Return the key of a name at the address; with `what`, of a count of the address itself."""
    return name, request.axes_ip_address, what


def device_of(request: Any, name: str | None) -> Key | None:
    """Return the key of this browser's device cookie for the name; None without a valid one."""
    if not name or len(name) > NAME_MOST or COOKIE not in request.COOKIES:
        return None
    number = device_number_for_name(request, name)
    return None if number is None else (name, NOWHERE, f"{DEVICE} {number}")


def _fresh(request: Any, what: str = "") -> QuerySet[Any]:
    """Return the address's rows that are not expired: of all names, or its own count `what`."""
    since = get_cool_off_threshold(request)
    return rows_at(at_address(request, None, what)).filter(attempt_time__gte=since)


def of_address(request: Any, limit: int) -> int:
    """Return the failures at the address under all names; over the limit while attempts with new
    names keep it locked."""
    if _fresh(request, KEPT_LOCKED).exists():
        return ADDRESS_LIMIT + 1
    return total(_fresh(request), limit)  # `limit` of each name


def count_refused(request: Any, name: str | None) -> int:
    """Count an attempt while locked, which prolongs the lock; return the count of those."""
    now, device = request.axes_attempt_time, device_of(request, name)
    if device is not None:
        _, address, what = device
        increment(device, now)
        return count((name, address, f"{REFUSED}: {what}"), now)
    if not increment(at_address(request, name), now):
        count(at_address(request, "", KEPT_LOCKED), now)
    return count(at_address(request, "", REFUSED), now)
