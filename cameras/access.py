"""Who asks: a credential becomes an `Actor`, for REST, pages, async views and sockets alike.

What an actor may see is asked of querysets (`visible_to`), never of this module. A credential that
keeps a connection open is a `Grant`; `standing()` re-examines many, each credential once.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from knox.crypto import hash_token
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from cameras.models import Camera, Membership, StreamKey, Token, User
from cameras.models.credentials import digest
from cameras.models.organizations import ROLE_SCOPES, Role


class BadCredential(Exception):
    """A credential was presented and is not valid; another one is not tried."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person by some credential, or the holder of a stream key (no person, one camera).

    `roles` maps organization ids to roles; `scopes` narrows them for tokens (None: not narrowed).
    """

    user: User | None = None
    roles: Mapping[uuid.UUID, str] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    keyed_cameras: tuple[uuid.UUID, ...] = ()
    grant: tuple[str, str] = ("none", "")

    def may(self, scope: str, organization_id: uuid.UUID) -> bool:
        """True where the role there holds `scope` and the token, if any, does too."""
        role = self.roles.get(organization_id)
        return (
            role is not None
            and scope in ROLE_SCOPES[Role(role)]
            and (self.scopes is None or scope in self.scopes)
        )

    def organization_ids(self, scope: str) -> list[uuid.UUID]:
        """Organizations in which the actor may do `scope`."""
        return [pk for pk in self.roles if self.may(scope, pk)]

    def may_watch(self, camera: Camera) -> bool:
        """True where the actor may see the camera's pictures."""
        return camera.pk in self.keyed_cameras or self.may("read", camera.organization_id)


def actor_for_user(user: User, grant: tuple[str, str]) -> Actor:
    """All memberships of one active person."""
    rows = Membership.objects.filter(user=user).values_list("organization_id", "role")
    return Actor(user=user, roles=dict(rows), grant=grant)


def actor_for_token(raw: str) -> Actor:
    """The person behind a bearer token, in its one organization. Raises `BadCredential`."""
    actor = _actor_behind("token", hash_token(raw))
    if actor is None:
        raise BadCredential("The token is unknown, expired or revoked.")
    return actor


def actor_for_stream_key(text: str) -> Actor | None:
    """The holder of a living stream key: one camera, and nothing but watching it."""
    return _actor_behind("key", digest(text)) if StreamKey.SPELLING.fullmatch(text) else None


def actor_for_session(session_key: str | None) -> Actor | None:
    """The person signed in under a session cookie, for sockets, which have no request."""
    if not session_key:
        return None
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user = get_user(request)  # verifies the password's session hash, too
    if not isinstance(user, User) or not user.is_active:
        return None
    return actor_for_user(user, ("session", session_key))


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


@dataclass(frozen=True, slots=True)
class Grant:
    """What holds a connection open: a credential (`kind`, `proof`) and the camera it watches."""

    kind: str
    proof: str
    camera_id: uuid.UUID


def grant_for(actor: Actor, camera: Camera) -> Grant:
    """The actor's credential, bound to the camera it was admitted to."""
    return Grant(actor.grant[0], actor.grant[1], camera.pk)


def standing(grants: Iterable[Grant]) -> dict[Grant, int]:
    """Of these grants, the ones that no longer hold, with the close code that says why.

    Each distinct credential is resolved once, however many connections hang on it.
    4401: the credential itself is gone; 4403: it no longer reaches the camera; 4404: no camera.
    """
    asked = set(grants)
    cameras = {
        camera.pk: camera for camera in Camera.objects.filter(pk__in={g.camera_id for g in asked})
    }
    actors: dict[tuple[str, str], Actor | None] = {}
    fallen: dict[Grant, int] = {}
    for grant in asked:
        credential = (grant.kind, grant.proof)
        if credential not in actors:
            actors[credential] = _actor_behind(*credential)
        actor, camera = actors[credential], cameras.get(grant.camera_id)
        if actor is None:
            fallen[grant] = 4401
        elif camera is None:
            fallen[grant] = 4404
        elif not actor.may_watch(camera):
            fallen[grant] = 4403
    return fallen


def _actor_behind(kind: str, proof: str) -> Actor | None:
    if kind == "session":
        return actor_for_session(proof)
    if kind == "key":
        key = StreamKey.objects.alive().filter(digest=proof).first()
        return Actor(keyed_cameras=(key.camera_id,), grant=(kind, proof)) if key else None
    token = Token.objects.alive().filter(digest=proof).select_related("user").first()
    if token is None:
        return None
    rows = Membership.objects.filter(user=token.user, organization=token.organization_id)
    return Actor(
        user=token.user,
        roles=dict(rows.values_list("organization_id", "role")),
        scopes=frozenset(token.scopes),
        grant=(kind, proof),
    )
