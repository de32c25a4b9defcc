"""Who does something, by which credential, from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from project.accounts.access import Actor, Credential, Words
from project.accounts.models import User
from project.addresses import address_text
from project.audit.models import line

NOBODY: Credential = ("none", "")
Way = HttpRequest | Request | Mapping[str, Any]


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
