"""Wrong passwords, codes and links: counted by Axes for every door, and answered by a lock.

A name at an address has `settings.AXES_FAILURE_LIMIT` tries, an address with all its names
`ADDRESS_LIMIT`, each within `settings.AXES_COOLOFF_TIME` of the last. Where only the address has
too many, names that were never wrong there still have one try in `TURN` among them. Tries that are
refused leave no rows behind, however many. Doors that go through
`authenticate` are counted by themselves; the others call `is_locked` before they look at what was
sent, and `failed` when it was wrong.
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
from django.db.models import F, QuerySet, Sum, Value
from django.db.models.functions import Least
from django.http import HttpRequest

from cameras.peers import address_in

ADDRESS_LIMIT = 80  # a school behind one address mistypes, too
TURN = timedelta(seconds=5)

# Not the names of people: those have no spaces.
A_LINK = "a sign-in link"
AN_INVITATION = "an invitation"
A_RESET = "a reset link"
A_SHARE = "a share link"

# Rows of an address itself. They stand where Axes has the browser's name, which no client reaches.
REFUSED = "tries while locked out"
KEPT_LOCKED = "tries of new names while the address is locked"
TURN_TAKEN = "a try of a new name while the address is locked"


def is_locked(request: HttpRequest, name: str) -> bool:
    """Whether too much was wrong from this address, under this name or under all."""
    return not AxesProxyHandler.is_allowed(request, {"username": name})


def failed(request: HttpRequest, name: str) -> None:
    """Count one wrong try. The one that reaches the limit is answered with the lock already."""
    user_login_failed.send(__name__, credentials={"username": name}, request=request)


def forgive(request: HttpRequest, name: str) -> None:
    """What was right forgets what was wrong before, under this name at this address."""
    AxesProxyHandler.update_request(request)
    _of(request, {"username": name}).delete()


def network_of(request: HttpRequest) -> str | None:
    """The client's address, as `project/doors.py` has found it; of IPv6 its /64, which one client
    has for itself."""
    found = address_in(request.META.get("REMOTE_ADDR", ""))
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), 64), strict=False).network_address)
    return None if found is None else str(found)


def _of(request: Any, credentials: Any) -> QuerySet[Any]:
    name = get_client_username(request, credentials)
    found: QuerySet[Any] = AccessAttempt.objects.filter(
        username=name, ip_address=request.axes_ip_address
    )
    return found


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
        request.axes_in_turn = self._has_turn(request, credentials)
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
        row, made = _row(request, "", TURN_TAKEN)
        taken = AccessAttempt.objects.filter(pk=row.pk, attempt_time__lte=now - TURN)
        return made or bool(taken.update(attempt_time=now))

    def get_failures(self, request: Any, credentials: Any = None) -> int:
        """Those of the name at the address. Where only the address has too many: the limit, and
        one more from the second such time on."""
        limit: int = get_failure_limit(request, credentials)
        fresh = _fresh(request)
        mine = _sum(fresh.filter(username=get_client_username(request, credentials)), limit + 1)
        if mine >= limit:
            return mine
        if _fresh(request, KEPT_LOCKED).exists():
            return limit + 1
        whole = _sum(fresh, limit)  # so one program that never gives up locks nobody else out
        return limit + (whole > ADDRESS_LIMIT) if whole >= ADDRESS_LIMIT else mine

    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **_: Any
    ) -> None:
        """Count it, and mark the request where that was one too many.

        Of those that are refused, `request.axes_first_refused` marks the first of the address.
        """
        if request is None:
            return
        self.clean_expired_user_attempts(request, credentials)
        name = get_client_username(request, credentials)
        if not getattr(request, "axes_refused", False):
            _count(request, name, "")
        else:
            request.axes_first_refused = _count(request, "", REFUSED)
            if not _again(request, name, ""):
                _count(request, "", KEPT_LOCKED)
        request.axes_failures_since_start = self.get_failures(request, credentials)
        limit = get_failure_limit(request, credentials)
        request.axes_locked_out = request.axes_failures_since_start >= limit
        request.axes_credentials = credentials


def _fresh(request: Any, what: str = "") -> QuerySet[Any]:
    """The address's rows that still count: of names, or its own."""
    found: QuerySet[Any] = AccessAttempt.objects.filter(
        ip_address=request.axes_ip_address,
        user_agent=what,
        attempt_time__gte=get_cool_off_threshold(request),
    )
    return found


def _row(request: Any, name: str | None, what: str) -> tuple[Any, bool]:
    """A row, and whether it was made just now, with one failure."""
    found: tuple[Any, bool] = AccessAttempt.objects.get_or_create(
        username=name,
        ip_address=request.axes_ip_address,
        user_agent=what,
        defaults={"failures_since_start": 1, "attempt_time": request.axes_attempt_time},
    )
    return found


def _count(request: Any, name: str | None, what: str) -> bool:
    """One more on a row; whether it was the first."""
    _, made = _row(request, name, what)
    if not made:
        _again(request, name, what)
    return made


def _again(request: Any, name: str | None, what: str) -> bool:
    """One more on a row; False where there is none."""
    row = AccessAttempt.objects.filter(
        username=name, ip_address=request.axes_ip_address, user_agent=what
    )
    now = request.axes_attempt_time
    changes = {"failures_since_start": F("failures_since_start") + 1, "attempt_time": now}
    return bool(row.update(**changes))


def _sum(attempts: QuerySet[Any], most_each: int) -> int:
    counted = attempts.annotate(counted=Least("failures_since_start", Value(most_each)))
    return counted.aggregate(whole=Sum("counted"))["whole"] or 0
