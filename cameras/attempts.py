"""Wrong passwords, codes and links: counted by Axes for every door, and answered by a lock.

A name at an address has `settings.AXES_FAILURE_LIMIT` tries, an address with all its names
`ADDRESS_LIMIT`, each within `settings.AXES_COOLOFF_TIME` of the last. Where only the address has
too many, names that were never wrong there still have one try in `TURN` among them. A browser in
which a person has signed in before (`cameras/devices.py`) has as many tries of its own under their
name, and none of the other limits. Tries that are refused leave no rows behind, however many.
Doors that go through `authenticate` are counted by themselves; the others call `is_locked` before
they look at what was sent, and `failed` when it was wrong.
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
from django.db.models import QuerySet
from django.http import HttpRequest

from cameras.devices import COOKIE, number_for
from cameras.models import User
from cameras.peers import address_in
from cameras.tries import NOWHERE, Key, again, count, forget, row, rows, total

ADDRESS_LIMIT = 80  # a school behind one address mistypes, too
TURN = timedelta(seconds=5)

# Not the names of people: those have no spaces.
A_LINK = "a sign-in link"
AN_INVITATION = "an invitation"
A_RESET = "a reset link"
A_SHARE = "a share link"

# Rows of an address itself, and of a person's devices, which are of no address.
REFUSED = "tries while locked out"
KEPT_LOCKED = "tries of new names while the address is locked"
TURN_TAKEN = "a try of a new name while the address is locked"
DEVICE = "a known device, number"


def is_locked(request: HttpRequest, name: str) -> bool:
    """Whether too much was wrong from this address, under this name or under all."""
    return not AxesProxyHandler.is_allowed(request, {"username": name})


def failed(request: HttpRequest, name: str) -> None:
    """Count one wrong try. The one that reaches the limit is answered with the lock already."""
    user_login_failed.send(__name__, credentials={"username": name}, request=request)


def forgive(request: HttpRequest, name: str) -> None:
    """What was right forgets what was wrong before, under this name at this address."""
    AxesProxyHandler.update_request(request)
    credentials = {"username": name}
    rows(_device(request, credentials) or _at_address(request, name)).delete()


def network_of(request: HttpRequest) -> str | None:
    """The client's address, as `project/doors.py` has found it; of IPv6 its /64, which one client
    has for itself."""
    found = address_in(request.META.get("REMOTE_ADDR", ""))
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), 64), strict=False).network_address)
    return None if found is None else str(found)


def _at_address(request: Any, name: str | None, what: str = "") -> Key:
    return name, request.axes_ip_address, what


def _device(request: Any, credentials: Any) -> Key | None:
    """The row of this browser under the name, where who has it has signed in here before."""
    if COOKIE not in request.COOKIES:
        return None
    name = get_client_username(request, credentials)
    user = User.objects.filter(username=name).first() if name else None
    number = number_for(request, user) if user is not None else None
    return None if number is None else (name, NOWHERE, f"{DEVICE} {number}")


class Counter(AxesDatabaseHandler):  # type: ignore[misc]
    """Axes' own, with a limit for addresses, and one short row for each name at an address.

    Axes would keep what the form held (a code, a link in the path) and let the row grow with every
    try. Tries while locked are counted, too: the lock lasts until they have paused. Of a name that
    has no row yet they are counted on one row of the address, so invented names fill no disk.
    """

    def is_locked(self, request: Any, credentials: Any = None) -> bool:
        """Asked once before each try. Tells the request whether it is refused, or has a turn."""
        if self.get_failures(request, credentials) < get_failure_limit(request, credentials):
            return False
        is_known = _device(request, credentials) is not None
        request.axes_in_turn = not is_known and self._has_turn(request, credentials)
        request.axes_refused = not request.axes_in_turn
        return bool(request.axes_refused)

    def _has_turn(self, request: Any, credentials: Any) -> bool:
        """Whether this name, never wrong here, may be tried although its address is locked.

        Else one program would lock out everybody behind its address. All such names share the
        turns, so a password is tried on many people no faster than one in `TURN`.
        """
        name = get_client_username(request, credentials) or ""
        if not name or " " in name or _fresh(request).filter(username=name).exists():
            return False
        now = request.axes_attempt_time
        turn, made = row(_at_address(request, "", TURN_TAKEN), now)
        taken = AccessAttempt.objects.filter(pk=turn.pk, attempt_time__lte=now - TURN)
        return made or bool(taken.update(attempt_time=now))

    def get_failures(self, request: Any, credentials: Any = None) -> int:
        """Those of the device; else those of the name at the address. Where only the address has
        too many: the limit, and one more from the second such time on."""
        limit: int = get_failure_limit(request, credentials)
        device = _device(request, credentials)
        if device is not None:
            since = get_cool_off_threshold(request)
            return total(rows(device).filter(attempt_time__gte=since), limit + 1)
        fresh = _fresh(request)
        mine = total(fresh.filter(username=get_client_username(request, credentials)), limit + 1)
        if mine >= limit:
            return mine
        if _fresh(request, KEPT_LOCKED).exists():
            return limit + 1
        whole = total(fresh, limit)  # so one program that never gives up locks nobody else out
        return limit + (whole > ADDRESS_LIMIT) if whole >= ADDRESS_LIMIT else mine

    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **_: Any
    ) -> None:
        """Count it, and mark the request where that was one too many.

        `request.axes_first_locked` marks the try that reached a limit, `request.axes_first_refused`
        the first that was refused then: of the address, or of the device.
        """
        if request is None:
            return
        self.clean_expired_user_attempts(request, credentials)
        refused = getattr(request, "axes_refused", False)
        number = _count_refused(request, credentials) if refused else _count(request, credentials)
        limit, failures = (
            get_failure_limit(request, credentials),
            self.get_failures(request, credentials),
        )
        request.axes_failures_since_start = failures
        request.axes_locked_out = failures >= limit
        request.axes_first_locked = not refused and limit in (number, failures)
        request.axes_first_refused = refused and number == 1
        request.axes_credentials = credentials

    def clean_expired_user_attempts(self, request: Any = None, credentials: Any = None) -> int:
        """As Axes does, but for what the audit log has yet to tell."""
        return forget(get_cool_off_threshold(request))

    def user_logged_in(self, sender: Any, request: Any, user: User, **more: Any) -> None:
        """What was right forgets what was wrong before: on the device, or at the address."""
        device = _device(request, {"username": user.get_username()})
        if device is None:
            super().user_logged_in(sender, request, user, **more)
        else:
            rows(device).delete()


def _fresh(request: Any, what: str = "") -> QuerySet[Any]:
    """The address's rows that still count: of names, or its own."""
    found: QuerySet[Any] = AccessAttempt.objects.filter(
        ip_address=request.axes_ip_address,
        user_agent=what,
        attempt_time__gte=get_cool_off_threshold(request),
    )
    return found


def _count(request: Any, credentials: Any) -> int:
    """One more of the device, or of the name at the address; how many there are then."""
    at_address = _at_address(request, get_client_username(request, credentials))
    return count(_device(request, credentials) or at_address, request.axes_attempt_time)


def _count_refused(request: Any, credentials: Any) -> int:
    """One more while locked out, which goes on by that; how many those are then."""
    now, device = request.axes_attempt_time, _device(request, credentials)
    if device is not None:
        name, address, what = device
        again(device, now)
        return count((name, address, f"{REFUSED}: {what}"), now)
    if not again(_at_address(request, get_client_username(request, credentials)), now):
        count(_at_address(request, "", KEPT_LOCKED), now)
    return count(_at_address(request, "", REFUSED), now)
