"""Whom a credential stands for. Many are looked up at once, in a few queries for each kind.

A credential is named by its kind and what proves it: `("session", session key)`, or the digest of
a `"token"`, a stream `"key"`, a `"ticket"` or the `"visit"` of a share link. That is also what a
connection that stays open is re-examined by.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from cameras.models import Camera, Membership, StreamKey, Ticket, Token, User, Visit
from cameras.models.organizations import ROLE_SCOPES, Role

Credential = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person by some credential, or who holds a stream key or a share link (one camera).

    `roles` maps organization ids to roles; `scopes` narrows them for tokens (None: not narrowed).
    """

    user: User | None = None
    roles: Mapping[uuid.UUID, str] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    keyed_cameras: tuple[uuid.UUID, ...] = ()
    grant: Credential = ("none", "")

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

    def may_publish(self, camera: Camera) -> bool:
        """True where the actor may send pictures as the camera."""
        return self.may("publish", camera.organization_id)


def actor_behind(kind: str, proof: str) -> Actor | None:
    """Whom a living credential stands for."""
    return actors_behind([(kind, proof)]).get((kind, proof))


def actors_behind(credentials: Iterable[Credential]) -> dict[Credential, Actor]:
    """Whom these stand for; without those that are unknown, expired, revoked, or of suspended
    users."""
    proofs: dict[str, set[str]] = defaultdict(set)
    for kind, proof in credentials:
        proofs[kind].add(proof)
    return (
        _by_key(proofs["key"])
        | _by_visit(proofs["visit"])
        | _by_token(proofs["token"])
        | _by_session(proofs["session"])
        | _by_ticket(proofs["ticket"])
    )


def _by_ticket(digests: Collection[str]) -> dict[Credential, Actor]:
    """Whom used tickets stand for: the credentials that asked for them, while those live."""
    if not digests:
        return {}
    tickets = Ticket.objects.filter(digest__in=digests, used_at__isnull=False)
    parents = {
        digest: (kind, proof)
        for digest, kind, proof in tickets.values_list("digest", "parent_kind", "parent_proof")
    }
    actors = actors_behind(parent for parent in parents.values() if parent[0] != "ticket")
    return {
        ("ticket", digest): replace(actors[parent], grant=("ticket", digest))
        for digest, parent in parents.items()
        if parent in actors
    }


def _by_visit(digests: Collection[str]) -> dict[Credential, Actor]:
    if not digests:
        return {}
    visits = Visit.objects.alive().filter(digest__in=digests)
    return {
        ("visit", proof): Actor(keyed_cameras=(camera_id,), grant=("visit", proof))
        for proof, camera_id in visits.values_list("digest", "link__camera_id")
    }


def _by_key(digests: Collection[str]) -> dict[Credential, Actor]:
    if not digests:
        return {}
    keys = StreamKey.objects.alive().filter(digest__in=digests)
    return {
        ("key", proof): Actor(keyed_cameras=(camera_id,), grant=("key", proof))
        for proof, camera_id in keys.values_list("digest", "camera_id")
    }


def _by_token(digests: Collection[str]) -> dict[Credential, Actor]:
    if not digests:
        return {}
    tokens = list(Token.objects.alive().filter(digest__in=digests).select_related("user"))
    roles = _roles(token.user_id for token in tokens)
    return {
        ("token", token.digest): Actor(
            user=token.user,
            roles={
                pk: role for pk, role in roles[token.user_id].items() if pk == token.organization_id
            },
            scopes=frozenset(token.scopes),
            grant=("token", token.digest),
        )
        for token in tokens
    }


def _by_session(keys: Collection[str]) -> dict[Credential, Actor]:
    if not keys:
        return {}
    people = _signed_in(keys)
    roles = _roles(user.pk for user in people.values())
    return {
        ("session", key): Actor(user=user, roles=roles[user.pk], grant=("session", key))
        for key, user in people.items()
    }


def _signed_in(keys: Collection[str]) -> dict[str, User]:
    """By session key. What Django's `get_user` asks of a request, asked of many sessions."""
    living = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    facts = {
        key: SessionStore().decode(data)
        for key, data in living.values_list("session_key", "session_data")
    }
    ids = {str(fact[SESSION_KEY]) for fact in facts.values() if SESSION_KEY in fact}
    users = {str(user.pk): user for user in User.objects.filter(pk__in=ids, is_active=True)}
    found = {}
    for key, fact in facts.items():
        user = users.get(str(fact.get(SESSION_KEY)))
        known = fact.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        if user is not None and known and _holds(user, fact.get(HASH_SESSION_KEY)):
            found[key] = user
    return found


def _holds(user: User, proof: str | None) -> bool:
    """Whether the session began with the password that the user has today."""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return proof is not None and any(constant_time_compare(proof, one) for one in hashes)


def _roles(user_ids: Iterable[object]) -> dict[object, dict[uuid.UUID, str]]:
    """The memberships of each user."""
    found: dict[object, dict[uuid.UUID, str]] = defaultdict(dict)
    rows = Membership.objects.filter(user__in=set(user_ids))
    for user_id, organization_id, role in rows.values_list("user_id", "organization_id", "role"):
        found[user_id][organization_id] = role
    return found
