"""Who asks: a credential becomes an `Actor`, for REST, pages, async views and sockets alike.

What an actor may see is asked of querysets (`visible_to`), never of this module. Credentials are
looked up in `cameras/actors.py`.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from knox.crypto import hash_token
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from cameras.actors import Actor, Credential, actor_behind
from cameras.models import Membership, StreamKey, Ticket, User, Visit
from cameras.models.credentials import digest
from cameras.session_store import is_key


class BadCredential(Exception):
    """A credential was presented and is not valid; another one is not tried."""


def actor_for_user(user: User, grant: Credential) -> Actor:
    """All memberships of one active person."""
    rows = Membership.objects.filter(user=user).values_list("organization_id", "role")
    return Actor(user=user, roles=dict(rows), grant=grant)


def actor_for_token(raw: str) -> Actor:
    """The person behind a bearer token, in its one organization. Raises `BadCredential`."""
    actor = actor_behind("token", hash_token(raw))
    if actor is None:
        raise BadCredential("The token is unknown, expired or revoked.")
    return actor


def actor_for_stream_key(text: str) -> Actor | None:
    """The holder of a living stream key: one camera, and nothing but watching it."""
    return actor_behind("key", digest(text)) if StreamKey.SPELLING.fullmatch(text) else None


def actor_for_visit(text: str) -> Actor | None:
    """Who has opened a share link that still lives: one camera, and nothing but watching it."""
    return actor_behind("visit", digest(text)) if Visit.SPELLING.fullmatch(text) else None


def actor_for_ticket(text: str) -> tuple[Actor, Ticket]:
    """Who asked for the ticket, and what it is for; it is used up. Raises `BadCredential`."""
    ticket = Ticket.claim(text)
    actor = actor_behind("ticket", ticket.digest) if ticket else None
    if ticket is None or actor is None:
        raise BadCredential("The ticket is unknown, used or too old.")
    return actor, ticket


def actor_for_session(session_key: str | None) -> Actor | None:
    """The person signed in under a session cookie, for sockets, which have no request."""
    return actor_behind("session", session_key) if session_key and is_key(session_key) else None


def bearer_of(authorization: str) -> str | None:
    """The token of an `Authorization` header; None where the header is absent.

    Raises `BadCredential` for another scheme or a malformed header: a header ends the matter.
    """
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or " " in token.strip():
        raise BadCredential("The Authorization header must be “Bearer <token>”.")
    return token.strip()


def actor_of(request: HttpRequest | Request) -> Actor:
    """The actor of an authenticated page or API request."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, Actor):
        return auth
    if not isinstance(request.user, User):
        return Actor()
    return actor_for_user(request.user, ("session", request.session.session_key or ""))


def person_of(request: HttpRequest) -> User:
    """Who is signed in, in views that nobody else reaches."""
    assert isinstance(request.user, User)
    return request.user


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>` for DRF; `request.auth` is the `Actor`."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        try:
            raw = bearer_of(request.META.get("HTTP_AUTHORIZATION", ""))
            if raw is None:
                return None
            actor = actor_for_token(raw)
        except BadCredential as error:
            raise exceptions.AuthenticationFailed(str(error)) from None
        assert actor.user is not None
        return actor.user, actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class CookieAuthentication(SessionAuthentication):
    """The session cookie with CSRF for DRF; `request.auth` is the `Actor`."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user: Any = found[0]
        return user, actor_for_user(user, ("session", request.session.session_key or ""))
