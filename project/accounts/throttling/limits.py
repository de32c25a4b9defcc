"""Where wrong tries of a request are counted: on its browser's row, or on its address's rows."""

from __future__ import annotations

from typing import Any

from axes.attempts import get_cool_off_threshold
from django.db.models import QuerySet

from project.accounts.throttling.devices import COOKIE, number_under
from project.accounts.throttling.tries import NAME_MOST, NOWHERE, Key, again, count, rows_at, total

ADDRESS_LIMIT = 80  # a school behind one address mistypes, too

# Rows of an address itself, and of a person's devices, which are of no address.
REFUSED = "tries while locked out"
KEPT_LOCKED = "tries of new names while the address is locked"
TURN_TAKEN = "a try of a new name while the address is locked"
TOLD = "the lock of the address is told"
DEVICE = "a known device, number"


def at_address(request: Any, name: str | None, what: str = "") -> Key:
    """The row of a name at the address, or one of the address itself."""
    return name, request.axes_ip_address, what


def device_of(request: Any, name: str | None) -> Key | None:
    """The row of this browser under the name, where who has it has signed in here before."""
    if not name or len(name) > NAME_MOST or COOKIE not in request.COOKIES:
        return None
    number = number_under(request, name)
    return None if number is None else (name, NOWHERE, f"{DEVICE} {number}")


def _fresh(request: Any, what: str = "") -> QuerySet[Any]:
    """The address's rows that still count: of names, or its own."""
    since = get_cool_off_threshold(request)
    return rows_at(at_address(request, None, what)).filter(attempt_time__gte=since)


def of_address(request: Any, limit: int) -> int:
    """Tries at the address under all names; more than it has where new names keep it locked."""
    if _fresh(request, KEPT_LOCKED).exists():
        return ADDRESS_LIMIT + 1
    return total(_fresh(request), limit)  # so one program that never gives up locks nobody else out


def count_refused(request: Any, name: str | None) -> int:
    """One more while locked out, which goes on by that; how many those are then."""
    now, device = request.axes_attempt_time, device_of(request, name)
    if device is not None:
        _, address, what = device
        again(device, now)
        return count((name, address, f"{REFUSED}: {what}"), now)
    if not again(at_address(request, name), now):
        count(at_address(request, "", KEPT_LOCKED), now)
    return count(at_address(request, "", REFUSED), now)
