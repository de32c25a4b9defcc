"""Wrong passwords, codes and links: counted by Axes for every door, and answered by a lock.

A name at an address has `settings.AXES_FAILURE_LIMIT` tries, an address with all its names
`ADDRESS_LIMIT`, each within `settings.AXES_COOLOFF_TIME` of the last. Where only the address has
too many, names that were never wrong there still have one try in `TURN` among them. A browser in
which a person has signed in before (see devices.py) has as many tries of its own under their name,
and none of the other limits. Tries that are refused leave no rows behind, however many.
Doors that go through `authenticate` are counted by themselves; the others call `is_refused`, or
`is_locked` for links, before they look at what was sent, and `failed` when it was wrong.
"""

from __future__ import annotations

import ipaddress
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
from project.accounts.throttling.limits import (
    ADDRESS_LIMIT,
    TOLD,
    TURN_TAKEN,
    at_address,
    count_refused,
    device_of,
    of_address,
)
from project.accounts.throttling.tries import Try, count, forget, give_back, row, rows, take, total
from project.addresses import address_in

TURN = timedelta(seconds=5)

# Not the names of people: those have no spaces.
A_LINK = "a sign-in link"
AN_INVITATION = "an invitation"
A_RESET = "a reset link"
A_SHARE = "a share link"


def is_refused(request: HttpRequest, name: str) -> bool:
    """Take a try of a password or a code; whether there was none left. It is one that was wrong
    (`failed`), or right (`forgive`); else it is given back with the answer."""
    return not AxesProxyHandler.is_allowed(request, {"username": name})


def is_locked(request: HttpRequest, name: str) -> bool:
    """Whether too much was wrong from this address, under this name or under all. For links: of
    those nothing is taken, for none can be guessed, and many may come with right ones at once."""
    credentials = {"username": name}
    failures = AxesProxyHandler.get_failures(request, credentials)
    return bool(failures >= get_failure_limit(request, credentials))


def failed(request: HttpRequest, name: str) -> None:
    """Count one wrong try. The one that reaches the limit is answered with the lock already."""
    user_login_failed.send(__name__, credentials={"username": name}, request=request)


def forgive(request: HttpRequest, name: str) -> None:
    """What was right forgets what was wrong before: on the device, or at the address."""
    AxesProxyHandler.update_request(request)
    rows(device_of(request, name) or at_address(request, name)).delete()


def settle(request: HttpRequest) -> None:
    """Give back the try that the request still holds: nothing was examined, or it was right."""
    held, request.axes_held = holds(request), None  # type: ignore[attr-defined]
    if held is not None:
        give_back(held)


def holds(request: HttpRequest) -> Try | None:
    """The try that was taken and is not known to be wrong."""
    held: Try | None = getattr(request, "axes_held", None)
    return held


def network_of(request: HttpRequest) -> str | None:
    """The client's address, as `project/middleware.py` has found it; of IPv6 its /64, which one
    client has for itself."""
    found = address_in(request.META.get("REMOTE_ADDR", ""))
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), 64), strict=False).network_address)
    return None if found is None else str(found)


class Counter(AxesDatabaseHandler):  # type: ignore[misc]
    """Axes' own, with a limit for addresses, and one short row for each name at an address.

    Axes would keep what the form held (a code, a link in the path) and let the row grow with every
    try. Tries while locked are counted, too: the lock lasts until they have paused. Of a name that
    has no row yet they are counted on one row of the address, so invented names fill no disk.
    """

    def is_locked(self, request: Any, credentials: Any = None) -> bool:
        """Asked once before each try, which it takes: how many others are examined at that moment
        is in the rows. Tells the request whether it is refused, or has a turn."""
        limit, name = get_failure_limit(request, credentials), _name(request, credentials)
        device, since = device_of(request, name), get_cool_off_threshold(request)
        key = device or at_address(request, name)
        request.axes_held = held = take(key, limit, request.axes_attempt_time, since)
        request.axes_refused, request.axes_in_turn = held is None, False
        if held and device is None and of_address(request, limit) > ADDRESS_LIMIT:
            request.axes_in_turn = held.number == 1 and self._has_turn(request, name)
            request.axes_refused = not request.axes_in_turn
        if request.axes_refused:
            settle(request)
        return bool(request.axes_refused)

    def _has_turn(self, request: Any, name: str | None) -> bool:
        """Whether this name, never wrong here, may be tried although its address is locked.

        Else one program would lock out everybody behind its address. All such names share the
        turns, so a password is tried on many people no faster than one in `TURN`.
        """
        if not name or " " in name:
            return False
        now = request.axes_attempt_time
        turn, made = row(at_address(request, "", TURN_TAKEN), now)
        taken = AccessAttempt.objects.filter(pk=turn.pk, attempt_time__lte=now - TURN)
        return made or bool(taken.update(attempt_time=now))

    def get_failures(self, request: Any, credentials: Any = None) -> int:
        """Those of the device; else those of the name at the address, or the limit where only the
        address has too many."""
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
        """Count it, where it was not taken before; and mark the request where it was one too many.

        `request.axes_first_locked` marks the try that reached a limit, `request.axes_first_refused`
        the first that was refused then: of the address, or of the device.
        """
        if request is None:
            return
        held, request.axes_held = holds(request), None  # whatever comes, it is not given back
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
        # Of those that see the address's limit at once, one is the first.
        request.axes_first_locked = not refused and (
            number == limit or (is_over and count(at_address(request, "", TOLD), now) == 1)
        )
        request.axes_credentials = credentials

    def clean_expired_user_attempts(self, request: Any = None, credentials: Any = None) -> int:
        """As Axes does, but for what the audit log has yet to tell."""
        return forget(get_cool_off_threshold(request))

    def user_logged_in(self, sender: Any, request: Any, user: User, **_: Any) -> None:
        """What was right forgets what was wrong before."""
        self.clean_expired_user_attempts(request)
        forgive(request, user.get_username())


def _name(request: Any, credentials: Any) -> str | None:
    found: str | None = get_client_username(request, credentials)
    return found
