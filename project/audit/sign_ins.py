"""Receivers of Django's signals that write entries for sign-ins, sign-outs and failed sign-ins.

Imported by `AuditConfig.ready` alone: the receivers must be connected after those of Axes.
"""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from project.accounts.access import session_credential
from project.accounts.credentials import Credential
from project.accounts.models import User
from project.addresses import normalize_address
from project.audit.failed_sign_ins import SIGN_IN_METHODS, Kind, claim_entry
from project.audit.log import Action, log_action, sole_organization
from project.audit.models import single_line
from project.audit.requesters import Requester

log = logging.getLogger(__name__)


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
