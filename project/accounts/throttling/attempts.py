"""Limits on wrong passwords, codes and links: counted with Axes at every entry point.

A name at an address has `settings.AXES_FAILURE_LIMIT` attempts, an address under all names
`ADDRESS_LIMIT`, each within `settings.AXES_COOLOFF_TIME` of the last. If only the address is over
its limit, names without a failure there share one attempt per `TURN`. A browser in which the user
has signed in before (see devices.py) has a limit of its own for that name, and no other.
Refused attempts create no rows.
Views that call `authenticate` need nothing more. Others call `is_refused` (for links `is_locked`)
before they check what was sent, and `record_failure` if it was wrong.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_username, get_failure_limit
from axes.models import AccessAttempt
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest

from project.accounts.models import User
from project.accounts.throttling.counters import (
    Attempt,
    count,
    delete_expired,
    release,
    reserve,
    row,
    rows,
    total,
)
from project.accounts.throttling.limits import (
    ADDRESS_LIMIT,
    LOCK_LOGGED,
    TURN_TAKEN,
    at_address,
    count_refused,
    device_of,
    of_address,
)
from project.addresses import network_of, parse_address

TURN = timedelta(seconds=5)

# Names under which links and keys are counted. Usernames have no spaces.
A_LINK = "a sign-in link"
AN_INVITATION = "an invitation"
A_RESET = "a reset link"
A_SHARE = "a share link"
A_KEY = "a stream key"


def is_refused(request: HttpRequest, name: str) -> bool:
    """Reserve an attempt at a password or code; True if the limit is reached.

    Call `record_failure` or `clear_failures` next; otherwise the response releases the attempt.
    """
    return not AxesProxyHandler.is_allowed(request, {"username": name})


def is_locked(request: HttpRequest, name: str) -> bool:
    """True if the address has too many failures, under this name or in all.

    For links. Nothing is reserved: links cannot be guessed, and many valid ones may be opened at
    once.
    """
    credentials = {"username": name}
    failures = AxesProxyHandler.get_failures(request, credentials)
    return bool(failures >= get_failure_limit(request, credentials))


def record_failure(request: HttpRequest, name: str) -> None:
    """Count a failure. The attempt that reaches the limit is already answered with the lock."""
    user_login_failed.send(__name__, credentials={"username": name}, request=request)


def clear_failures(request: HttpRequest, name: str) -> None:
    """Delete the name's failures after a success: of the device, or at the address."""
    AxesProxyHandler.update_request(request)
    rows(device_of(request, name) or at_address(request, name)).delete()


def release_attempt(request: HttpRequest) -> None:
    """Release the request's reserved attempt: nothing was checked, or it was right."""
    held, request.axes_reserved = reserved_attempt(request), None  # type: ignore[attr-defined]
    if held is not None:
        release(held)


def reserved_attempt(request: HttpRequest) -> Attempt | None:
    """Return the attempt that the request has reserved and that was not recorded as a failure."""
    held: Attempt | None = getattr(request, "axes_reserved", None)
    return held


def client_network(request: HttpRequest) -> str | None:
    """Return the client's address as set by `project/middleware.py`; of IPv6 its /64."""
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    return None if address is None else network_of(address)


class Counter(AxesDatabaseHandler):  # type: ignore[misc]
    """Axes' database handler, with a limit for addresses and one short row per name and address.

    Axes itself would store what the form held (a code, a link in the path) and let the row grow
    with every attempt. Attempts while locked are counted too, so the lock lasts until they pause.
    For names without a row they are counted on one row of the address, so invented names create no
    rows.
    """

    def is_locked(self, request: Any, credentials: Any = None) -> bool:
        """Reserve an attempt; True if it is refused. Axes calls this once before each attempt.

        Attempts that other requests are checking are included in the rows. Sets
        `request.axes_refused` and `request.axes_in_turn`.
        """
        limit, name = get_failure_limit(request, credentials), _name(request, credentials)
        device, since = device_of(request, name), get_cool_off_threshold(request)
        key = device or at_address(request, name)
        request.axes_reserved = held = reserve(key, limit, request.axes_attempt_time, since)
        request.axes_refused, request.axes_in_turn = held is None, False
        if held and device is None and of_address(request, limit) > ADDRESS_LIMIT:
            request.axes_in_turn = held.number == 1 and self._has_turn(request, name)
            request.axes_refused = not request.axes_in_turn
        if request.axes_refused:
            release_attempt(request)
        return bool(request.axes_refused)

    def _has_turn(self, request: Any, name: str | None) -> bool:
        """True if a name without a failure here may be tried although its address is locked.

        Otherwise one program would lock out everyone behind its address. All such names share one
        attempt per `TURN`, which bounds trying one password on many users.
        """
        if not name or " " in name:
            return False
        now = request.axes_attempt_time
        turn, made = row(at_address(request, "", TURN_TAKEN), now)
        taken = AccessAttempt.objects.filter(pk=turn.pk, attempt_time__lte=now - TURN)
        return made or bool(taken.update(attempt_time=now))

    def get_failures(self, request: Any, credentials: Any = None) -> int:
        """Return the failures of the device; without one, those of the name at the address, or the
        limit if only the address is over its own."""
        limit: int = get_failure_limit(request, credentials)
        name = _name(request, credentials)
        device = device_of(request, name)
        since = get_cool_off_threshold(request)
        mine = rows(device or at_address(request, name)).filter(attempt_time__gte=since)
        is_over = device is None and of_address(request, limit) >= ADDRESS_LIMIT
        return limit if is_over else total(mine, limit)

    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **_: Any
    ) -> None:
        """Count the failure unless its attempt was reserved, and flag the request if it is locked.

        `request.axes_first_locked`: this attempt reached a limit. `request.axes_first_refused`: it
        is the first one refused after that, of the address or of the device.
        """
        if request is None:
            return
        held, request.axes_reserved = reserved_attempt(request), None
        self.clean_expired_user_attempts(request, credentials)
        limit, name = get_failure_limit(request, credentials), _name(request, credentials)
        device, now = device_of(request, name), request.axes_attempt_time
        refused = getattr(request, "axes_refused", False)
        if refused:
            number = count_refused(request, name)
        else:
            number = held.number if held else count(device or at_address(request, name), now)
        is_over = device is None and of_address(request, limit) >= ADDRESS_LIMIT
        request.axes_failures_since_start = number
        request.axes_locked_out = refused or number >= limit or is_over
        request.axes_first_refused = refused and number == 1
        # If several requests reach the address's limit at once, one of them is the first.
        request.axes_first_locked = not refused and (
            number == limit or (is_over and count(at_address(request, "", LOCK_LOGGED), now) == 1)
        )
        request.axes_credentials = credentials

    def clean_expired_user_attempts(self, request: Any = None, credentials: Any = None) -> int:
        """Delete expired rows like Axes, but not those that the audit log has yet to report."""
        return delete_expired(get_cool_off_threshold(request))

    def user_logged_in(self, sender: Any, request: Any, user: User, **_: Any) -> None:
        """Delete the failures of the user's name."""
        self.clean_expired_user_attempts(request)
        clear_failures(request, user.get_username())


def _name(request: Any, credentials: Any) -> str | None:
    found: str | None = get_client_username(request, credentials)
    return found
