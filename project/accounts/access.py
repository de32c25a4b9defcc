"""Access: sessions and tokens as credentials, and the grants that keep connections open.

Which rows an actor can see is decided by querysets (`visible_to`), never by this module.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from knox.crypto import hash_token
from rest_framework.request import Request

from project.accounts.credentials import (
    Actor,
    BadCredential,
    Credential,
    Description,
    actor_for,
    actors_for,
    register_credential_kind,
)
from project.accounts.models import Membership, Token, User
from project.accounts.sessions import is_key


def _actors_for_tokens(digests: Collection[str]) -> dict[str, Actor]:
    tokens = Token.objects.alive().filter(digest__in=digests).select_related("user", "membership")
    return {
        token.digest: Actor(
            user=token.user,
            roles={member.organization_id: member.role} if (member := token.membership) else {},
            scopes=frozenset(token.scopes),
        )
        for token in tokens
    }


def _describe_tokens(digests: Collection[str]) -> dict[str, Description]:
    rows = Token.objects.filter(digest__in=digests).values_list("digest", "name")
    unknown = dict.fromkeys(digests, Description("", "token"))
    return unknown | {digest: Description("", f"token “{name}”") for digest, name in rows}


def _actors_for_sessions(keys: Collection[str]) -> dict[str, Actor]:
    users = _users_by_session(keys)
    roles = _roles_by_user(user.pk for user in users.values())
    return {key: Actor(user=user, roles=roles[user.pk]) for key, user in users.items()}


def _describe_sessions(keys: Collection[str]) -> dict[str, Description]:
    return dict.fromkeys(keys, Description("", "session"))


register_credential_kind("token", find_actors=_actors_for_tokens, describe=_describe_tokens)
register_credential_kind("session", find_actors=_actors_for_sessions, describe=_describe_sessions)


def _users_by_session(keys: Collection[str]) -> dict[str, User]:
    """Return the users who are signed in, by session key: Django's `get_user` for many sessions."""
    sessions = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    data_by_key = {
        key: SessionStore().decode(encoded)
        for key, encoded in sessions.values_list("session_key", "session_data")
    }
    ids = {str(data[SESSION_KEY]) for data in data_by_key.values() if SESSION_KEY in data}
    users_by_id = {str(user.pk): user for user in User.objects.filter(pk__in=ids, is_active=True)}
    users = {}
    for key, data in data_by_key.items():
        user = users_by_id.get(str(data.get(SESSION_KEY)))
        has_backend = data.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        if user is not None and has_backend and _is_current(user, data.get(HASH_SESSION_KEY)):
            users[key] = user
    return users


def _is_current(user: User, session_hash: str | None) -> bool:
    """True if the user's password and `sign_outs` are those with which the session began."""
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return session_hash is not None and any(constant_time_compare(session_hash, h) for h in hashes)


def _roles_by_user(user_ids: Iterable[object]) -> dict[object, dict[uuid.UUID, str]]:
    """Return user id → organization id → role."""
    roles: dict[object, dict[uuid.UUID, str]] = defaultdict(dict)
    rows = Membership.objects.filter(user__in=set(user_ids))
    for user_id, organization_id, role in rows.values_list("user_id", "organization_id", "role"):
        roles[user_id][organization_id] = role
    return roles


def actor_for_user(user: User, credential: Credential) -> Actor:
    """Return an actor with all memberships of an active user."""
    rows = Membership.objects.filter(user=user).values_list("organization_id", "role")
    return Actor(user=user, roles=dict(rows), credential=credential)


def actor_for_token(text: str) -> Actor:
    """Return the token's actor: roles in its organization only. Raises `BadCredential`."""
    actor = actor_for(Credential("token", hash_token(text)))
    if actor is None:
        raise BadCredential("The token is unknown, expired or revoked.")
    return actor


def session_credential(request: HttpRequest | Request) -> Credential:
    """Return the credential that is the request's session cookie."""
    return Credential("session", request.session.session_key or "")


def actor_for_session(session_key: str | None) -> Actor | None:
    """Return the actor of a session cookie, for sockets, which have no request."""
    if session_key is None or not is_key(session_key):
        return None
    return actor_for(Credential("session", session_key))


def actor_for_request(request: HttpRequest | Request) -> Actor:
    """Return the actor of a page or API request; an empty one if nobody is signed in."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, Actor):
        return auth
    if not isinstance(request.user, User):
        return Actor()
    return actor_for_user(request.user, session_credential(request))


def signed_in_user(request: HttpRequest) -> User:
    """Return the user, in views with `login_required`."""
    assert isinstance(request.user, User)
    return request.user


@dataclass(frozen=True, slots=True)
class ConnectionGrant:
    """Why a connection is open: a credential has `scope` on one resource or in an organization."""

    credential: Credential
    scope: str
    organization_id: uuid.UUID | None = None
    resource_id: uuid.UUID | None = None


FindOwners = Callable[[Collection[uuid.UUID]], dict[uuid.UUID, uuid.UUID]]
_find_owners: list[FindOwners] = []


def register_resource_owners(find_owners: FindOwners) -> None:
    """Register a function from resource ids to organization ids, which leaves out unknown ones."""
    if find_owners not in _find_owners:
        _find_owners.append(find_owners)


def grant_on_resource(actor: Actor, scope: str, resource_id: uuid.UUID) -> ConnectionGrant:
    """Return a grant of the actor's credential on one registered resource."""
    return ConnectionGrant(actor.credential, scope, resource_id=resource_id)


def grant_in_organization(actor: Actor, scope: str, organization_id: uuid.UUID) -> ConnectionGrant:
    """Return a grant of the actor's credential in one organization."""
    return ConnectionGrant(actor.credential, scope, organization_id=organization_id)


def revoked_grants(grants: Iterable[ConnectionGrant]) -> dict[ConnectionGrant, int]:
    """Return the grants that are no longer valid, with the WebSocket close code for each.

    4404: the resource does not exist (checked first: its own credentials are deleted with it).
    4401: the credential is not valid. 4403: it lacks the scope.
    """
    checked = set(grants)
    actors = actors_for(grant.credential for grant in checked)
    resource_ids = {grant.resource_id for grant in checked if grant.resource_id}
    owners: dict[uuid.UUID, uuid.UUID] = {}
    for find_owners in _find_owners if resource_ids else ():
        owners |= find_owners(resource_ids)
    codes = {grant: _close_code(grant, actors.get(grant.credential), owners) for grant in checked}
    return {grant: code for grant, code in codes.items() if code is not None}


def _close_code(
    grant: ConnectionGrant, actor: Actor | None, owners: Mapping[uuid.UUID, uuid.UUID]
) -> int | None:
    """Return None if the grant is still valid."""
    organization_id = grant.organization_id
    if grant.resource_id is not None:
        organization_id = owners.get(grant.resource_id)
        if organization_id is None:
            return 4404
    if actor is None:
        return 4401
    can_read = grant.scope == "read" and grant.resource_id in actor.resource_ids
    has_scope = organization_id is not None and actor.has_scope(grant.scope, organization_id)
    return None if can_read or has_scope else 4403
