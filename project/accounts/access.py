"""Who asks: a credential becomes an `Actor`, and what a connection was let in for is re-examined.

A credential is named by its kind and what proves it: `("session", session key)`, the digest of a
`"token"`, or of a kind that another app registers. Many are looked up at once, in a few queries
for each kind. What an actor may see is asked of querysets (`visible_to`), never of this module.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from knox.crypto import hash_token
from rest_framework.request import Request

from project.accounts.models import Membership, Token, User
from project.accounts.models.organizations import ROLE_SCOPES, Role
from project.accounts.sessions import is_key

Credential = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person by some credential, or who holds one that opens single resources to be read.

    `roles` maps organization ids to roles; `scopes` narrows them for tokens (None: not narrowed).
    """

    user: User | None = None
    roles: Mapping[uuid.UUID, str] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    resource_ids: tuple[uuid.UUID, ...] = ()
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


Words = tuple[str, str]  # who, where no person is known; and by what
FindActors = Callable[[Collection[str]], dict[str, Actor]]
FindWords = Callable[[Collection[str]], dict[str, Words]]


class _Kind(NamedTuple):
    actors: FindActors
    words: FindWords


_kinds: dict[str, _Kind] = {}


def register_credential(kind: str, *, actors: FindActors, words: FindWords) -> None:
    """Make a kind of credential known. Both functions are given proofs.

    `actors` returns whom the living ones stand for, `words` what each is called in the audit log,
    living or not. The `grant` of the actors is set here.
    """
    _kinds[kind] = _Kind(actors, words)


FindOwners = Callable[[Collection[uuid.UUID]], dict[uuid.UUID, uuid.UUID]]
_owners: list[FindOwners] = []


def register_resources(owners: FindOwners) -> None:
    """Make resources known that connections are held open for: of ids, the organizations that own
    them; without those that there are no longer."""
    _owners.append(owners)


def actor_behind(kind: str, proof: str) -> Actor | None:
    """Whom a living credential stands for."""
    return actors_behind([(kind, proof)]).get((kind, proof))


def actors_behind(credentials: Iterable[Credential]) -> dict[Credential, Actor]:
    """Whom these stand for; without those that are unknown, expired, revoked, or of suspended
    users."""
    return {
        (kind, proof): replace(actor, grant=(kind, proof))
        for kind, proofs in _by_kind(credentials)
        for proof, actor in _kinds[kind].actors(proofs).items()
    }


def words_for(credentials: Iterable[Credential]) -> dict[Credential, Words]:
    """What credentials are called, living or not: one query for each kind, however many."""
    return {
        (kind, proof): words
        for kind, proofs in _by_kind(credentials)
        for proof, words in _kinds[kind].words(proofs).items()
    }


def _by_kind(credentials: Iterable[Credential]) -> list[tuple[str, set[str]]]:
    """Their proofs, by those kinds that are known."""
    proofs: dict[str, set[str]] = defaultdict(set)
    for kind, proof in credentials:
        proofs[kind].add(proof)
    return [(kind, found) for kind, found in proofs.items() if kind in _kinds]


def _by_token(digests: Collection[str]) -> dict[str, Actor]:
    tokens = list(Token.objects.alive().filter(digest__in=digests).select_related("user"))
    roles = _roles(token.user_id for token in tokens)
    return {
        token.digest: Actor(
            user=token.user,
            roles={
                pk: role for pk, role in roles[token.user_id].items() if pk == token.organization_id
            },
            scopes=frozenset(token.scopes),
        )
        for token in tokens
    }


def _words_of_tokens(digests: Collection[str]) -> dict[str, Words]:
    names = Token.objects.filter(digest__in=digests).values_list("digest", "name")
    found: dict[str, Words] = dict.fromkeys(digests, ("", "token"))
    return found | {digest: ("", f"token “{name}”") for digest, name in names}


def _by_session(keys: Collection[str]) -> dict[str, Actor]:
    people = _signed_in(keys)
    roles = _roles(user.pk for user in people.values())
    return {key: Actor(user=user, roles=roles[user.pk]) for key, user in people.items()}


def _words_of_sessions(keys: Collection[str]) -> dict[str, Words]:
    return dict.fromkeys(keys, ("", "session"))


register_credential("token", actors=_by_token, words=_words_of_tokens)
register_credential("session", actors=_by_session, words=_words_of_sessions)


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


@dataclass(frozen=True, slots=True)
class ConnectionGrant:
    """A credential (`kind`, `proof`), and what it was admitted to: to do what `scope` names, with
    one resource or in an organization."""

    kind: str
    proof: str
    scope: str
    organization_id: uuid.UUID | None = None
    resource_id: uuid.UUID | None = None


def grant_for(actor: Actor, scope: str, resource_id: uuid.UUID) -> ConnectionGrant:
    """The actor's credential, bound to a registered resource."""
    return ConnectionGrant(*actor.grant, scope, resource_id=resource_id)


def grant_in(actor: Actor, scope: str, organization_id: uuid.UUID) -> ConnectionGrant:
    """The actor's credential, bound to what it may do in an organization."""
    return ConnectionGrant(*actor.grant, scope, organization_id=organization_id)


def withdrawn(grants: Iterable[ConnectionGrant]) -> dict[ConnectionGrant, int]:
    """Of these grants, the ones that no longer hold, with the close code that says why.

    A few queries for each kind of credential, however many there are. The first that fits is told:
    4404: there is no such resource (which takes its own credentials along);
    4401: the credential itself is gone; 4403: it no longer reaches so far.
    """
    asked = set(grants)
    actors = actors_behind((grant.kind, grant.proof) for grant in asked)
    wanted = {grant.resource_id for grant in asked if grant.resource_id}
    owners: dict[uuid.UUID, uuid.UUID] = {}
    for find in _owners if wanted else ():
        owners |= find(wanted)
    found = {}
    for grant in asked:
        code = _code(grant, actors.get((grant.kind, grant.proof)), owners)
        if code:
            found[grant] = code
    return found


def _code(
    grant: ConnectionGrant, actor: Actor | None, owners: Mapping[uuid.UUID, uuid.UUID]
) -> int:
    """The close code where the grant no longer holds; 0 where it does."""
    organization_id = grant.organization_id
    if grant.resource_id is not None:
        organization_id = owners.get(grant.resource_id)
        if organization_id is None:
            return 4404
    if actor is None:
        return 4401
    opened = grant.scope == "read" and grant.resource_id in actor.resource_ids
    holds = organization_id is not None and actor.may(grant.scope, organization_id)
    return 0 if opened or holds else 4403
