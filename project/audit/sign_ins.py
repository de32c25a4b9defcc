"""Entries for sign-ins, sign-outs and failed sign-ins.

Of failed sign-ins, `MAX_LISTED` a minute and kind get an entry; the others are counted in one more:
an attacker who never stops, or who has many addresses, would fill the disk.
"""

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

from project.accounts.access import Credential, session_credential
from project.accounts.models import User
from project.accounts.throttling.counters import UNREPORTED, Key, row, rows
from project.addresses import normalize_address
from project.audit.log import Action, log_action, sole_organization
from project.audit.models import single_line
from project.audit.requesters import Requester

log = logging.getLogger(__name__)

SIGN_IN_METHODS = {  # URL name: detail of the entry
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
def _log_sign_in(request: HttpRequest, user: User, **_: Any) -> None:
    requester = Requester(user, session_credential(request), _address(request))
    organization, method = sole_organization(user), _method(request)
    log_action(requester, Action.SIGN_IN, user.get_username(), organization, detail=method)


@receiver(user_logged_out, dispatch_uid="audit")
def _log_sign_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        requester = Requester(user, Credential("session", ""), _address(request))
        log_action(requester, Action.SIGN_OUT, user.get_username(), sole_organization(user))


@receiver(user_login_failed, dispatch_uid="audit")
def _log_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Runs after the receiver of Axes, which is installed before this app: it sets `axes_*`."""
    username = single_line(credentials.get("username", ""), 150) or "(no name)"
    requester = Requester(name=username, address=_address(request))
    is_refused = bool(getattr(request, "axes_refused", False))
    if is_refused and not getattr(request, "axes_first_refused", False):
        return
    user = User.objects.filter(username=username).first()
    organization, method = sole_organization(user), _method(request)
    if is_refused:
        if claim_entry(Kind.LOCK):
            log.warning("sign-ins from %s continue while locked out", requester.address)
            detail = f"{method}, while locked out; further tries until it ends are not listed"
            log_action(requester, Action.SIGN_IN_FAILED, username, organization, detail=detail)
        return
    in_turn = bool(getattr(request, "axes_in_turn", False))
    if claim_entry(Kind.KNOWN if user else Kind.UNKNOWN):
        detail = method + (", while its address is locked out" if in_turn else "")
        log_action(requester, Action.SIGN_IN_FAILED, username, organization, detail=detail)
    is_first_lock = bool(getattr(request, "axes_first_locked", False)) and not in_turn
    if is_first_lock and claim_entry(Kind.LOCK):
        detail = "after too many wrong tries"
        log_action(requester, Action.LOCKED_OUT, username, organization, detail=detail)


def _address(request: HttpRequest | None) -> str | None:
    return normalize_address(request.META.get("REMOTE_ADDR")) if request is not None else None


def _method(request: HttpRequest | None) -> str:
    match = getattr(request, "resolver_match", None)
    return SIGN_IN_METHODS.get(match.url_name or "", "") if match else ""


MAX_LISTED = 30
WINDOW = timedelta(minutes=1)


class Kind(StrEnum):
    """What is counted separately: the key of the row with the count, and the words of the entry."""

    KNOWN = "failed sign-ins under names of people"
    UNKNOWN = "failed sign-ins under other names"
    LOCK = "lockouts, and tries while locked out"


def claim_entry(kind: Kind) -> bool:
    """Count one event; return True if it gets an entry of its own. Call it once per event."""
    now = timezone.now()
    _, is_new = row(_key(kind), now)
    if is_new:
        return True
    if rows(_key(kind)).filter(attempt_time__lte=now - WINDOW).exists():
        _write_count(kind, until=now - WINDOW, restart_at=now)
    one_more = {"failures_since_start": F("failures_since_start") + 1}
    if rows(_key(kind)).filter(failures_since_start__lt=MAX_LISTED).update(**one_more):
        return True
    # If the row has just been deleted, nothing counts the event: it gets an entry.
    return not rows(_key(kind)).update(**one_more)


def write_unlisted(include_open: bool = False) -> None:
    """Write the counts of windows that are over, or of all (at the end of the process).

    If a write raises, that count and the later ones are kept.
    """
    until = timezone.now() - (timedelta() if include_open else WINDOW)
    for kind in Kind:
        due = rows(_key(kind)).filter(failures_since_start__gt=MAX_LISTED)
        if due.filter(attempt_time__lte=until).exists():
            _write_count(kind, until)


@transaction.atomic
def _write_count(kind: Kind, until: datetime, restart_at: datetime | None = None) -> None:
    """Write the entry with the count of a window that began before `until`, if there is a count.

    `restart_at` begins a new window. The row lock makes concurrent callers write it once.
    """
    window = rows(_key(kind)).filter(attempt_time__lte=until).select_for_update().first()
    if window is None:
        return
    started_at, more = window.attempt_time, window.failures_since_start - MAX_LISTED
    if more > 0:
        detail = f"within a minute from {started_at:%H:%M:%S} UTC; they are not listed"
        log_action(Requester(), Action.SIGN_IN_FAILED, f"{more} more {kind}", detail=detail)
        window.failures_since_start = MAX_LISTED
    if restart_at is not None:
        window.failures_since_start, window.attempt_time = 0, restart_at
    changes = {"failures_since_start": window.failures_since_start}
    rows(_key(kind)).update(**changes, attempt_time=window.attempt_time)


def _key(kind: Kind) -> Key:
    return *UNREPORTED, kind
