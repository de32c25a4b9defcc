"""Limits on wrong passwords, codes and links: counted with Axes at every entry point.

A name at an address has `settings.AXES_FAILURE_LIMIT` attempts, an address under all names
`ADDRESS_LIMIT`, each within `settings.AXES_COOLOFF_TIME` of the last. A browser in which the user
has signed in before (see devices.py) has a limit of its own for that name, and no other.

An attempt is counted before it is checked and released if it was not wrong. So concurrent attempts
get no more than sequential ones, in however many processes. Refused attempts are counted, too: the
lock lasts until they pause.

Views that call `authenticate` need nothing more. Others call `is_refused` (for links `is_locked`)
before they check what was sent, and `record_failure` if it was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.db.models import F, QuerySet, Sum, Value
from django.db.models.functions import Least
from django.http import HttpRequest

from project.accounts.throttling.devices import device_number_for_name
from project.addresses import network_of, parse_address

ADDRESS_LIMIT = 80  # many users can share one address, such as a school's
NAME_MOST = 150  # characters, as in `User.username`
DELETED_MOST = 1000

# Names under which links and keys are counted. Usernames have no spaces.
A_LINK = "a sign-in link"
AN_INVITATION = "an invitation"
A_RESET = "a reset link"
A_SHARE = "a share link"
A_KEY = "a stream key"
TOO_LONG = "a name that is too long"

# Values of Axes' columns. No client has these addresses, or chooses the user agent that is stored.
NOWHERE = "0.0.0.0"  # nosec B104  # of devices, which count at all addresses; not bound
NO_ADDRESS = "::"  # of clients without an address: NULLs are not unique
DEVICE = "a known device, number"
LOCKED = "tries while the address is locked"
Key = dict[str, str]


@dataclass(slots=True)
class Attempt:
    """A counted attempt: the id of its row, its number there, and the limit of the row.

    `reaches_limit`: it was wrong, and the next ones will be refused.
    """

    row: int
    number: int
    limit: int
    is_wrong: bool = False
    reaches_limit: bool = False

    @property
    def is_refused(self) -> bool:
        return self.number > self.limit

    @property
    def is_first_refused(self) -> bool:
        return self.number == self.limit + 1


def is_refused(request: HttpRequest, name: str) -> bool:
    """Count an attempt at a password or code; True if the limit is reached.

    Call `record_failure` or `clear_failures` next; otherwise the response releases the attempt.
    """
    if AxesProxyHandler.is_allowed(request, {"username": name}):
        return False
    record_failure(request, name)  # for the audit log; it is counted already
    return True


def is_locked(request: HttpRequest, name: str) -> bool:
    """True if the address has too many failures, under this name or in all.

    For links. Nothing is counted: links cannot be guessed, and many valid ones may be opened at
    once.
    """
    credentials = {"username": name}
    failures = AxesProxyHandler.get_failures(request, credentials)
    return failures >= settings.AXES_FAILURE_LIMIT or _is_address_full(request, credentials)


def record_failure(request: HttpRequest, name: str) -> None:
    """Count a failure. The attempt that reaches the limit is already answered with the lock."""
    user_login_failed.send(__name__, credentials={"username": name}, request=request)


def clear_failures(request: HttpRequest, name: str) -> None:
    """Delete the name's failures after a success: of the device, or at the address."""
    AxesProxyHandler.update_request(request)
    AxesProxyHandler.get_implementation().reset_user_attempts(request, {"username": name})


def counted_attempt(request: HttpRequest) -> Attempt | None:
    """Return the attempt that was counted in this request."""
    counted: Attempt | None = getattr(request, "axes_attempt", None)
    return counted


def release_attempt(request: HttpRequest) -> None:
    """Release the request's attempt unless it was wrong: nothing was checked, or it was right."""
    attempt = counted_attempt(request)
    if attempt is not None and not attempt.is_refused and not attempt.is_wrong:
        _release(attempt)


def client_network(request: HttpRequest) -> str | None:
    """Return the client's address as set by `project/middleware.py`; of IPv6 its /64."""
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    return None if address is None else network_of(address)


class Handler(AxesDatabaseHandler):  # type: ignore[misc]
    """Axes' database handler, with a limit for addresses and one short row per name and address.

    Axes itself would count after the check, store what the form held (a code, a link in the path),
    let the row grow with every attempt, and create a row for each name tried while locked.
    """

    def is_locked(self, request: Any, credentials: Any = None) -> bool:
        """Count an attempt; True if it is refused. Axes calls this once before each attempt.

        At a locked address, attempts are counted in one row for all names.
        """
        attempt = None
        if not _is_address_full(request, credentials):
            attempt = _count(request, _key(request, credentials), settings.AXES_FAILURE_LIMIT)
            # Those of other names that came at the same time are included.
            if not attempt.is_refused and _is_address_full(request, credentials, 1):
                _release(attempt)
                attempt = None
        request.axes_attempt = attempt or _count(request, _at_address(request, "", LOCKED), 0)
        return bool(request.axes_attempt.is_refused)

    def user_login_failed(self, sender: Any, credentials: Any, request: Any, **_: Any) -> None:
        """Flag the request if it is locked. Count the failure, if that was not done before."""
        attempt = counted_attempt(request)
        if attempt is None:
            self.is_locked(request, credentials)
            attempt = request.axes_attempt
        attempt.is_wrong = True
        attempt.reaches_limit = not attempt.is_refused and (
            attempt.number == attempt.limit or _is_address_full(request, credentials)
        )
        request.axes_failures_since_start = attempt.number
        request.axes_locked_out = attempt.is_refused or attempt.reaches_limit
        request.axes_credentials = credentials
        if not attempt.is_refused:
            self.clean_expired_user_attempts(request, credentials)

    @transaction.atomic
    def clean_expired_user_attempts(self, request: Any = None, credentials: Any = None) -> int:
        """Delete expired rows, the oldest `DELETED_MOST`; return how many.

        Unlike those of Axes: not rows that another transaction has just locked to count on them,
        nor the counts of project/audit/failed_sign_ins.py.
        """
        expired = AccessAttempt.objects.filter(attempt_time__lte=get_cool_off_threshold(request))
        due = expired.exclude(username="", ip_address=NOWHERE).order_by("attempt_time")
        rows = due.select_for_update(skip_locked=True)[:DELETED_MOST]
        deleted, _ = AccessAttempt.objects.filter(pk__in=[row.pk for row in rows]).delete()
        return int(deleted)

    def filter_user_attempts(self, request: Any, credentials: Any = None) -> list[QuerySet[Any]]:
        """Return the row of the name on this device or at this address, for Axes' own methods."""
        return [AccessAttempt.objects.filter(**_key(request, credentials))]


def _key(request: Any, credentials: Any) -> Key:
    """Return the columns of the row of the name: on a known device, or at the address."""
    name = credentials["username"] or ""
    if len(name) > NAME_MOST:
        name = TOO_LONG
    number = device_number_for_name(request, name)
    if number is None:
        return _at_address(request, name, "")
    return {"username": name, "ip_address": NOWHERE, "user_agent": f"{DEVICE} {number}"}


def _at_address(request: Any, name: str, agent: str) -> Key:
    address = request.axes_ip_address or NO_ADDRESS
    return {"username": name, "ip_address": address, "user_agent": agent}


def _is_address_full(request: Any, credentials: Any, more: int = 0) -> bool:
    """True if `ADDRESS_LIMIT` is reached, or passed by `more`. Never true for a known device.

    A name that is tried while it is locked itself counts no more than its limit.
    """
    if _key(request, credentials)["ip_address"] == NOWHERE:
        return False
    since = get_cool_off_threshold(request)
    address = request.axes_ip_address or NO_ADDRESS
    fresh = AccessAttempt.objects.filter(ip_address=address, attempt_time__gte=since)
    if fresh.filter(user_agent=LOCKED).exists():
        return True
    each = Least("failures_since_start", Value(settings.AXES_FAILURE_LIMIT))
    total = fresh.filter(user_agent="").aggregate(total=Sum(each))["total"] or 0
    return bool(total >= ADDRESS_LIMIT + more)


@transaction.atomic
def _count(request: Any, key: Key, limit: int) -> Attempt:
    """Count an attempt in a row, which starts anew if it is expired. The number is unique."""
    now = request.axes_attempt_time
    row, _ = AccessAttempt.objects.select_for_update().get_or_create(
        **key, defaults={"failures_since_start": 0, "attempt_time": now}
    )
    is_expired = row.attempt_time < get_cool_off_threshold(request)
    row.failures_since_start = 1 if is_expired else row.failures_since_start + 1
    row.attempt_time = now
    row.save(update_fields=["failures_since_start", "attempt_time"])
    return Attempt(row.pk, row.failures_since_start, limit)


@transaction.atomic
def _release(attempt: Attempt) -> None:
    """Count an attempt no longer. Deletes the row if its count becomes 0."""
    row = AccessAttempt.objects.filter(pk=attempt.row, failures_since_start__gt=0)
    row.update(failures_since_start=F("failures_since_start") - 1)  # locks the row
    AccessAttempt.objects.filter(pk=attempt.row, failures_since_start=0).delete()
