"""Signing in and out, written down wherever it happens.

Django's own signals are listened to, once: the page, the admin, a link and whatever signs in next
all go through `login` and `authenticate`, and Axes answers for a door before its view is back.
Notes at the call sites would be as many as doors, and the one that is forgotten is the one that
matters. The API's login makes no session, so its success is noted there.
"""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from cameras.audit.actions import Action
from cameras.audit.askers import Asker
from cameras.audit.lines import line
from cameras.audit.notes import home_of, note
from cameras.audit.unlisted import Kind, is_listed
from cameras.models import User
from project.addresses import address_text

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
