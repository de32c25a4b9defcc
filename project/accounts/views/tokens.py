"""One's own bearer tokens, and for administrators those of the other members."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
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

from project.accounts.access import actor_of
from project.accounts.forms import SCOPES_SAID, TokenForm
from project.accounts.models import Membership, Organization, Role, Token, User
from project.accounts.models.organizations import ROLE_SCOPES
from project.accounts.models.tokens import TooManyTokens
from project.accounts.views.shell import Shell
from project.addresses import public_address
from project.audit.log import Action, note

ENDED_MOST = 20  # of one's own, the newest
OTHERS_MOST = 200

# Where a token can be tried, by the first of its scopes that has such an address.
TRY_AT = {"read": "api-cameras", "chat": "api-chats"}

Roles = Mapping[tuple[object, object], str]


@dataclass(frozen=True, slots=True)
class Row:
    """A token as the page says it: what it may do today, and why it is over; empty where it is not.

    `roles` are those of the tokens' people in the tokens' organizations.
    """

    token: Token
    may: str
    over: str

    @classmethod
    def of(cls, token: Token, roles: Roles) -> Row:
        role = roles.get((token.user_id, token.organization_id), "")
        held = ROLE_SCOPES[Role(role)] if role else frozenset(token.scopes)
        scopes = [one for one in SCOPES_SAID if one in token.scopes and one in held]
        may = ", ".join(SCOPES_SAID[one][0].lower() for one in scopes) or "nothing"
        if token.revoked_at is not None:
            return cls(token, may, "revoked")
        if token.expiry is not None and token.expiry <= timezone.now():
            return cls(token, may, "over")
        return cls(token, may, "" if role else "opens nothing: no longer a member")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The tokens there are; POST makes one, whose text is on this answer and never again."""
    frame = Shell(request)
    form = TokenForm(
        request.POST or None, actor=frame.actor, organizations=frame.organizations,
        initial={"organization": frame.current.pk} if frame.current else None,
    )  # fmt: skip
    if request.method != "POST" or not form.is_valid():
        return _page(request, frame, form)
    home: Organization = form.cleaned_data["organization"]
    assert frame.user is not None
    try:
        with transaction.atomic():
            token, text = Token.make(
                frame.user,
                home.pk,
                name=form.cleaned_data["name"],
                scopes=sorted(form.cleaned_data["scopes"]),
                expiry=form.expiry,
                grant=frame.actor.grant,
            )
            note(request, Action.MAKE_TOKEN, token.name, home, detail=", ".join(token.scopes))
    except TooManyTokens as error:
        form.add_error(None, str(error))
        return _page(request, frame, form)
    door = next((door for scope, door in TRY_AT.items() if scope in token.scopes), "")
    where = public_address(request, reverse(door)) if door else ""
    try_it = f'curl -H "Authorization: Bearer {text}" {where}' if where else ""
    fresh = TokenForm(
        actor=frame.actor, organizations=frame.organizations, initial={"organization": home.pk}
    )
    return _page(request, frame, fresh, made=token, new_token=text, try_it=try_it)


def _page(request: HttpRequest, frame: Shell, form: TokenForm, **extra: Any) -> HttpResponse:
    seen = Token.objects.visible_to(frame.actor)
    living = Token.objects.alive().filter(pk__in=seen).select_related("user", "organization")
    alive = list(living.filter(user=frame.user))
    over = seen.filter(user=frame.user).exclude(pk__in=[one.pk for one in alive])
    ended = list(over.select_related("user", "organization")[:ENDED_MOST])
    others = list(living.exclude(user=frame.user)[: OTHERS_MOST + 1])
    people = {one.user_id for one in (*alive, *ended, *others)}
    rows = Membership.objects.filter(user__in=people)
    found = rows.values_list("user_id", "organization_id", "role")
    roles: Roles = {(user_id, home): role for user_id, home, role in found}
    context = {
        "form": form,
        "alive": [Row.of(one, roles) for one in alive],
        "ended": [Row.of(one, roles) for one in ended],
        "others": [Row.of(one, roles) for one in others[:OTHERS_MOST]],
        "more_others": len(others) > OTHERS_MOST,
        "others_most": OTHERS_MOST,
        "many": len(frame.organizations) > 1,
        "administers": bool(frame.administered),
    }
    return render(request, "accounts/tokens.html", context | extra)


@login_required
@require_POST
def revoke_token(request: HttpRequest, uid: uuid.UUID) -> HttpResponse:
    """End one's own token, or a member's where one administers; what it holds open closes."""
    seen = Token.objects.visible_to(actor_of(request)).select_related("user", "organization")
    found = get_object_or_404(seen, uid=uid)
    with transaction.atomic():
        found.revoke()
        whose = f"of {found.user}"
        note(request, Action.REVOKE_TOKEN, found.name, found.organization, detail=whose)
    assert isinstance(request.user, User)
    theirs = "" if found.user == request.user else f" of {found.user.get_username()}"
    messages.success(request, f"The token “{found.name}”{theirs} is revoked.")
    return redirect("tokens")
