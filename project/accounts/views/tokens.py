"""The user's own bearer tokens; for administrators also those of other members."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from project.accounts.access import actor_for_request
from project.accounts.forms import SCOPE_LABELS, TokenForm
from project.accounts.models import Organization, Role, Token, User
from project.accounts.models.organizations import ROLE_SCOPES
from project.accounts.models.tokens import TooManyTokens
from project.accounts.views.shell import Shell
from project.addresses import public_url
from project.audit.log import Action, log_action

ENDED_MOST = 20  # of the user's own, the newest
OTHERS_MOST = 200

# A URL to try a token at, by the first of its scopes that is listed.
TRY_AT = {"read": "api-cameras", "chat": "api-chats"}


@dataclass(frozen=True, slots=True)
class Row:
    """A token as the page shows it: what it allows today, and why it has ended ("" if not)."""

    token: Token
    may: str
    over: str

    @classmethod
    def of(cls, token: Token) -> Row:
        role = token.membership.role if token.membership else ""
        role_scopes = ROLE_SCOPES[Role(role)] if role else frozenset(token.scopes)
        scopes = [one for one in SCOPE_LABELS if one in token.scopes and one in role_scopes]
        may = ", ".join(SCOPE_LABELS[one][0].lower() for one in scopes) or "nothing"
        if token.revoked_at is not None:
            return cls(token, may, "revoked")
        if token.expiry is not None and token.expiry <= timezone.now():
            return cls(token, may, "over")
        return cls(token, may, "" if role else "opens nothing: that membership has ended")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """Show the tokens; POST creates one and shows its text, on this response only."""
    shell = Shell(request)
    form = TokenForm(
        request.POST or None, actor=shell.actor, organizations=shell.organizations,
        initial={"organization": shell.current.pk} if shell.current else None,
    )  # fmt: skip
    if request.method != "POST" or not form.is_valid():
        return _page(request, shell, form)
    organization: Organization = form.cleaned_data["organization"]
    assert shell.user is not None
    try:
        with transaction.atomic():
            token, text = Token.issue(
                shell.user,
                organization.pk,
                name=form.cleaned_data["name"],
                scopes=sorted(form.cleaned_data["scopes"]),
                expiry=form.expiry,
                credential=shell.actor.credential,
            )
            log_action(
                request, Action.MAKE_TOKEN, token.name, organization, detail=", ".join(token.scopes)
            )
    except TooManyTokens as error:
        form.add_error(None, str(error))
        return _page(request, shell, form)
    url_name = next((name for scope, name in TRY_AT.items() if scope in token.scopes), "")
    url = public_url(request, reverse(url_name)) if url_name else ""
    try_it = f'curl -H "Authorization: Bearer {text}" {url}' if url else ""
    new_form = TokenForm(
        actor=shell.actor,
        organizations=shell.organizations,
        initial={"organization": organization.pk},
    )
    return _page(request, shell, new_form, made=token, new_token=text, try_it=try_it)


def _page(request: HttpRequest, shell: Shell, form: TokenForm, **extra: Any) -> HttpResponse:
    visible = Token.objects.visible_to(shell.actor)
    related = ("user", "organization", "membership", "parent")
    all_alive = Token.objects.alive().filter(pk__in=visible).select_related(*related)
    alive = list(all_alive.filter(user=shell.user))
    over = visible.filter(user=shell.user).exclude(pk__in=[one.pk for one in alive])
    ended = list(over.select_related(*related)[:ENDED_MOST])
    others = list(all_alive.exclude(user=shell.user)[: OTHERS_MOST + 1])
    context = {
        "form": form,
        "alive": [Row.of(one) for one in alive],
        "ended": [Row.of(one) for one in ended],
        "others": [Row.of(one) for one in others[:OTHERS_MOST]],
        "more_others": len(others) > OTHERS_MOST,
        "others_most": OTHERS_MOST,
        "many": len(shell.organizations) > 1,
        "administers": bool(shell.administered),
    }
    return render(request, "accounts/tokens.html", context | extra)


@login_required
@require_POST
def revoke_token(request: HttpRequest, uid: uuid.UUID) -> HttpResponse:
    """Revoke one's own token, or a member's as an administrator. Its open connections close."""
    visible = Token.objects.visible_to(actor_for_request(request))
    token = get_object_or_404(visible.select_related("user", "organization"), uid=uid)
    with transaction.atomic():
        token.revoke()
        detail = f"of {token.user}"
        log_action(request, Action.REVOKE_TOKEN, token.name, token.organization, detail=detail)
    assert isinstance(request.user, User)
    theirs = "" if token.user == request.user else f" of {token.user.get_username()}"
    messages.success(request, f"The token “{token.name}”{theirs} is revoked.")
    return redirect("tokens")
