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
from project.accounts.throttling.attempts import counted_attempt
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
def _log_failure(credentials: dict[str, Any], request: HttpRequest, **_: Any) -> None:
    """Runs after the receiver of Axes, which is installed before this app: it counts."""
    attempt = counted_attempt(request)
    assert attempt is not None
    if attempt.is_refused and not attempt.is_first_refused:
        return
    username = single_line(credentials.get("username", ""), 150) or "(no name)"
    user = User.objects.filter(username=username).first()
    kind, detail = Kind.KNOWN if user else Kind.UNKNOWN, _method(request)
    if attempt.is_refused:
        kind = Kind.LOCK
        detail += ", while locked out; further tries until it ends are not listed"
    requester = Requester(name=username, address=_address(request))
    organization = sole_organization(user)
    if claim_entry(kind):
        log_action(requester, Action.SIGN_IN_FAILED, username, organization, detail=detail)
        if attempt.is_refused:
            log.warning("sign-ins from %s continue while locked out", requester.address)
    if attempt.reaches_limit and claim_entry(Kind.LOCK):
        detail = "after too many wrong tries"
        log_action(requester, Action.LOCKED_OUT, username, organization, detail=detail)


def _address(request: HttpRequest) -> str | None:
    return normalize_address(request.META.get("REMOTE_ADDR"))


def _method(request: HttpRequest | None) -> str:
    match = getattr(request, "resolver_match", None)
    return SIGN_IN_METHODS.get(match.url_name or "", "") if match else ""
