"""Who does something, by which credential, from where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from cameras.actors import Actor, Credential
from cameras.audit.lines import line
from cameras.models import StreamKey, Ticket, Token, User, Visit
from project.addresses import address_text

NOBODY: Credential = ("none", "")
Way = HttpRequest | Request | Mapping[str, Any]
Words = tuple[str, str]  # who, where no person is known; and by what


@dataclass(frozen=True, slots=True)
class Asker:
    """A person, or the holder of a key or link; `name` is for who is neither (yet)."""

    user: User | None = None
    credential: Credential = NOBODY
    address: str | None = None
    name: str = ""

    @classmethod
    def of(cls, way: Way | None, actor: Actor | None = None) -> Asker:
        """Who is behind a page's or an API's request, or a socket's scope.

        `actor` is asked for by scopes, and by async views, whose request does not know a bearer.
        The address is the peer's, or what a trusted proxy says; see `project/middleware.py`.
        """
        if way is None:
            return cls(name="this machine")  # a command
        if isinstance(way, Mapping):
            client = way.get("client")
            return _of_actor(actor or Actor(), address_text(client[0]) if client else None)
        auth = getattr(way, "auth", None)
        actor = actor or (auth if isinstance(auth, Actor) else None)
        address = address_text(way.META.get("REMOTE_ADDR"))
        if actor is not None:
            return _of_actor(actor, address)
        user: Any = getattr(way, "user", None)
        if not isinstance(user, User):
            return cls(address=address)
        return cls(user, ("session", way.session.session_key or ""), address)

    def facts(self, words: Mapping[Credential, Words]) -> dict[str, Any]:
        """The fields of a `Trace` about it."""
        called, by = words.get(self.credential, ("", ""))
        who = self.name or (self.user.get_username() if self.user else called) or "nobody known"
        return {
            "user_id": self.user.pk if self.user else None,
            "who": line(who, 150),
            "via": line(by, 120),
            "address": self.address,
        }


def _of_actor(actor: Actor, address: str | None) -> Asker:
    return Asker(actor.user, actor.grant, address)


def words_for(credentials: Iterable[Credential]) -> dict[Credential, Words]:
    """What credentials are called, living or not: one query for each kind, however many."""
    proofs: dict[str, set[str]] = defaultdict(set)
    for kind, proof in credentials:
        proofs[kind].add(proof)
    found: dict[Credential, Words] = {
        ("session", one): ("", "session") for one in proofs["session"]
    }
    found |= {("token", one): ("", "token") for one in proofs["token"]}
    found |= {("ticket", one): ("", "ticket") for one in proofs["ticket"]}
    found |= {("key", one): ("stream key", "stream key") for one in proofs["key"]}
    found |= {("visit", one): ("share link", "share link") for one in proofs["visit"]}
    if proofs["token"]:
        tokens = Token.objects.filter(digest__in=proofs["token"])
        for digest, name in tokens.values_list("digest", "name"):
            found["token", digest] = ("", f"token “{name}”")
    if proofs["key"]:
        keys = StreamKey.objects.filter(digest__in=proofs["key"])
        for digest, name in keys.values_list("digest", "name"):
            found["key", digest] = (f"stream key “{name}”", "stream key")
    if proofs["visit"]:
        visits = Visit.objects.filter(digest__in=proofs["visit"])
        for digest, name in visits.values_list("digest", "link__name"):
            found["visit", digest] = (f"share link “{name}”", "share link")
    if proofs["ticket"]:
        found |= _of_tickets(proofs["ticket"])
    return found


def _of_tickets(digests: Iterable[str]) -> dict[Credential, Words]:
    """A ticket is called after the credential that asked for it."""
    rows = Ticket.objects.filter(digest__in=digests)
    parents = {
        digest: (kind, proof)
        for digest, kind, proof in rows.values_list("digest", "parent_kind", "parent_proof")
    }
    words = words_for(parent for parent in parents.values() if parent[0] != "ticket")
    found: dict[Credential, Words] = {}
    for digest, parent in parents.items():
        who, by = words.get(parent, ("", ""))
        found["ticket", digest] = (who, f"ticket of a {by}" if by else "ticket")
    return found
