"""Signing in and out, written down wherever it happens; failures up to a number, then counted."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.db.models import F
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from project.accounts.models import User
from project.accounts.throttling.tries import UNTOLD, Key, row, rows
from project.addresses import address_text
from project.audit.askers import Asker
from project.audit.log import Action, home_of, note
from project.audit.models import line

log = logging.getLogger(__name__)

DOORS = {
    "signin": "by password",
    "signin-link": "by a sign-in link",
    "api-login": "by password, over the API",
    "second-step": "by a code, as the second step",
    "password": "as the present password",
    "email": "as the present password",
    "second-factor": "as the present password",
    "second-factor-off": "as the proof that it is them",
    "recovery-codes": "as the proof that it is them",
    "reset": "by a reset link",
    "invitation": "by an invitation",
    "shared": "by a share link",
}


@receiver(user_logged_in, dispatch_uid="audit")
def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    asker = Asker(user, ("session", request.session.session_key or ""), _address(request))
    note(asker, Action.SIGN_IN, user.get_username(), home_of(user), detail=_door(request))


@receiver(user_logged_out, dispatch_uid="audit")
def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        asker = Asker(user, ("session", ""), _address(request))
        note(asker, Action.SIGN_OUT, user.get_username(), home_of(user))


@receiver(user_login_failed, dispatch_uid="audit")
def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """After Axes, which is installed before and so hears of it first. Not all of a flood is listed:
    who never gives up, or has many addresses, would fill the disk."""
    tried = line(credentials.get("username", ""), 150) or "(no name)"
    asker = Asker(name=tried, address=_address(request))
    refused = bool(getattr(request, "axes_refused", False))
    if refused and not getattr(request, "axes_first_refused", False):
        return
    user = User.objects.filter(username=tried).first()
    home, door = home_of(user), _door(request)
    if refused:
        if is_listed(Kind.LOCK):
            log.warning("sign-ins from %s go on while they are locked out", asker.address)
            detail = f"{door}, while locked out; further tries until it ends are not listed"
            note(asker, Action.SIGN_IN_FAILED, tried, home, detail=detail)
        return
    in_turn = bool(getattr(request, "axes_in_turn", False))
    if is_listed(Kind.KNOWN if user else Kind.UNKNOWN):
        detail = door + (", while its address is locked out" if in_turn else "")
        note(asker, Action.SIGN_IN_FAILED, tried, home, detail=detail)
    locked = bool(getattr(request, "axes_first_locked", False)) and not in_turn
    if locked and is_listed(Kind.LOCK):
        note(asker, Action.LOCKED_OUT, tried, home, detail="after too many wrong tries")


def _address(request: HttpRequest | None) -> str | None:
    return address_text(request.META.get("REMOTE_ADDR")) if request is not None else None


def _door(request: HttpRequest | None) -> str:
    match = getattr(request, "resolver_match", None)
    return DOORS.get(match.url_name or "", "") if match else ""


MOST = 30
STRETCH = timedelta(minutes=1)


class Kind(StrEnum):
    """What is counted on its own, as its row is called and as the log says it."""

    KNOWN = "failed sign-ins under names of people"
    UNKNOWN = "failed sign-ins under other names"
    LOCK = "lockouts, and tries while locked out"


def is_listed(kind: Kind) -> bool:
    """Count one more; whether it is to be an entry of its own. Call it once for each."""
    now = timezone.now()
    _, made = row(_key(kind), now)
    if made:
        return True
    if rows(_key(kind)).filter(attempt_time__lte=now - STRETCH).exists():
        _tell(kind, until=now - STRETCH, anew=now)
    one_more = {"failures_since_start": F("failures_since_start") + 1}
    if rows(_key(kind)).filter(failures_since_start__lt=MOST).update(**one_more):
        return True
    return not rows(_key(kind)).update(**one_more)  # without a row nobody would tell of it


def write_unlisted(all_of_them: bool = False) -> None:
    """Write how many were not listed in stretches that are over; at the end of a process, in all.

    Where it raises, what is left is kept.
    """
    until = timezone.now() - (timedelta() if all_of_them else STRETCH)
    for kind in Kind:
        if rows(_key(kind)).filter(failures_since_start__gt=MOST, attempt_time__lte=until).exists():
            _tell(kind, until)


@transaction.atomic
def _tell(kind: Kind, until: datetime, anew: datetime | None = None) -> None:
    """The entry of a stretch that began until then, where there is something to tell; a new one
    may begin. Once, whoever comes at the same time."""
    counted = rows(_key(kind)).filter(attempt_time__lte=until).select_for_update().first()
    if counted is None:
        return
    began, more = counted.attempt_time, counted.failures_since_start - MOST
    if more > 0:
        detail = f"within a minute from {began:%H:%M:%S} UTC; they are not listed"
        note(Asker(), Action.SIGN_IN_FAILED, f"{more} more {kind}", detail=detail)
        counted.failures_since_start = MOST
    if anew is not None:
        counted.failures_since_start, counted.attempt_time = 0, anew
    changes = {"failures_since_start": counted.failures_since_start}
    rows(_key(kind)).update(**changes, attempt_time=counted.attempt_time)


def _key(kind: Kind) -> Key:
    return *UNTOLD, kind
