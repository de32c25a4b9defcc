"""Kinds of credentials, and the `Actor` that each stands for.

A credential has a kind and an id: a session and its key, a token and its digest, or a kind that
another app registers. Many are looked up at once, in a few queries for each kind.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from project.accounts.models import User
from project.accounts.models.organizations import ROLE_SCOPES, Role


class Credential(NamedTuple):
    """The kind of a credential and its id within the kind: a session key, or a secret's digest."""

    kind: str
    id: str


NO_CREDENTIAL = Credential("none", "")


class BadCredential(Exception):
    """A credential was sent and is not valid. No other credential of the request is used."""


@dataclass(frozen=True, slots=True)
class Actor:
    """What a credential stands for: a user, or (stream keys, share links) only single resources.

    `roles`: organization id to role. `scopes`: those of a token, which narrow the role; None if
    they do not. `resource_ids`: what can be read without a role. `parents`: what the credential was
    made from, the nearest first: of a ticket, the credential that asked for it; of a visit, its
    share link.
    """

    user: User | None = None
    roles: Mapping[uuid.UUID, str] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    resource_ids: tuple[uuid.UUID, ...] = ()
    credential: Credential = NO_CREDENTIAL
    parents: tuple[Credential, ...] = ()

    @property
    def one_use(self) -> bool:
        """True if each connection has a new credential of this kind."""
        kind = _kinds.get(self.credential.kind)
        return kind is not None and kind.one_use

    def has_scope(self, scope: str, organization_id: uuid.UUID) -> bool:
        """True if the role in the organization includes `scope`, and the token (if any) too."""
        role = self.roles.get(organization_id)
        return (
            role is not None
            and scope in ROLE_SCOPES[Role(role)]
            and (self.scopes is None or scope in self.scopes)
        )

    def organization_ids(self, scope: str) -> list[uuid.UUID]:
        """Return the organizations in which the actor has `scope`."""
        return [pk for pk in self.roles if self.has_scope(scope, pk)]


class Description(NamedTuple):
    """A credential in the audit log: its holder (empty if that is a user), and what it is."""

    who: str
    via: str


FindActors = Callable[[Collection[str]], dict[str, Actor]]
Describe = Callable[[Collection[str]], dict[str, Description]]
Renew = Callable[[Collection[str]], None]


class _Kind(NamedTuple):
    find_actors: FindActors
    describe: Describe | None = None
    renew: Renew | None = None
    one_use: bool = False


_kinds: dict[str, _Kind] = {}


def register_credential_kind(
    kind: str,
    *,
    find_actors: FindActors,
    describe: Describe | None = None,
    renew: Renew | None = None,
    one_use: bool = False,
) -> None:
    """Register a kind of credential. Idempotent. The functions take credential ids.

    `find_actors` returns actors for the valid ones only. If it sets their `credential`, that
    becomes the nearest parent. `describe` returns descriptions, also of credentials that are no
    longer valid. `renew` is for a kind that lasts as long as its connection: see
    `renew_credentials`. `one_use`: a new one is made for each connection, and its parent is
    described in its place.
    """
    _kinds[kind] = _Kind(find_actors, describe, renew, one_use)


def actor_for(credential: Credential) -> Actor | None:
    """Return the credential's actor; None if it is not valid."""
    return actors_for([credential]).get(credential)


def actors_for(credentials: Iterable[Credential]) -> dict[Credential, Actor]:
    """Return the actors of those that are known, not expired or revoked, and of active users."""
    return {
        Credential(kind, credential_id): _with_credential(actor, Credential(kind, credential_id))
        for kind, ids in _ids_by_kind(credentials).items()
        for credential_id, actor in _kinds[kind].find_actors(ids).items()
    }


def _with_credential(actor: Actor, credential: Credential) -> Actor:
    made_from = () if actor.credential == NO_CREDENTIAL else (actor.credential, *actor.parents)
    return replace(actor, credential=credential, parents=made_from)


def describe_credentials(credentials: Iterable[Credential]) -> dict[Credential, Description]:
    """Return the descriptions of credentials, valid or not; a few queries for each kind."""
    return {
        Credential(kind, credential_id): description
        for kind, ids in _ids_by_kind(credentials).items()
        if (describe := _kinds[kind].describe) is not None
        for credential_id, description in describe(ids).items()
    }


def renew_credentials(credentials: Iterable[Credential]) -> None:
    """Renew the credentials of open connections that would end otherwise."""
    for kind, ids in _ids_by_kind(credentials).items():
        if (renew := _kinds[kind].renew) is not None:
            renew(ids)


def _ids_by_kind(credentials: Iterable[Credential]) -> dict[str, set[str]]:
    """Group credential ids by kind, without kinds that are not registered."""
    ids: dict[str, set[str]] = defaultdict(set)
    for kind, credential_id in credentials:
        if kind in _kinds:
            ids[kind].add(credential_id)
    return ids
