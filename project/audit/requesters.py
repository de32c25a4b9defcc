"""Who made a request: the user or key, the credential and the address, for entries of the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from project.accounts.access import session_credential
from project.accounts.credentials import NO_CREDENTIAL, Actor, Credential, Description
from project.accounts.models import User
from project.addresses import normalize_address
from project.audit.models import single_line

RequestOrScope = HttpRequest | Request | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Requester:
    """A user, or the holder of a key or link. `name` is for a requester who is neither (yet).

    `parents` are those of the actor; see `Actor`.
    """

    user: User | None = None
    credential: Credential = NO_CREDENTIAL
    address: str | None = None
    name: str = ""
    parents: tuple[Credential, ...] = ()
    one_use: bool = False

    @property
    def chain(self) -> tuple[Credential, ...]:
        """The credential and its parents; without one that is used only once, such as a ticket."""
        return self.parents if self.one_use and self.parents else (self.credential, *self.parents)

    @property
    def holder(self) -> Credential:
        """The credential that has the views."""
        return self.chain[0]

    @classmethod
    def of(cls, origin: RequestOrScope | None, actor: Actor | None = None) -> Requester:
        """Return the requester of a page or API request, or of a socket's scope.

        `None` is a management command. Pass `actor` for scopes and in async views: their request
        does not know the bearer token. The address is the peer's, or the one that a trusted proxy
        reports; see `project/middleware.py`.
        """
        if origin is None:
            return cls(name="this machine")
        if isinstance(origin, Mapping):
            client = origin.get("client")
            peer = client[0] if client else None
        else:
            peer = origin.META.get("REMOTE_ADDR")
            auth, user = getattr(origin, "auth", None), getattr(origin, "user", None)
            if actor is None and isinstance(auth, Actor):
                actor = auth
            elif actor is None and isinstance(user, User):
                actor = Actor(user, credential=session_credential(origin))
        actor = actor or Actor()
        return cls(
            actor.user, actor.credential, normalize_address(peer), parents=actor.parents,
            one_use=actor.one_use,
        )  # fmt: skip

    def as_fields(self, descriptions: Mapping[Credential, Description]) -> dict[str, Any]:
        """Return the fields of an `AuditRecord` that describe the requester.

        `descriptions` has that of the `holder`: a ticket is deleted when its socket ends.
        """
        described, via = descriptions.get(self.holder, ("", ""))
        if self.one_use and via:
            via = f"{self.credential.kind} of a {via}"
        username = self.user.get_username() if self.user else ""
        return {
            "user_id": self.user.pk if self.user else None,
            "who": single_line(self.name or username or described or "nobody known", 150),
            "via": single_line(via, 120),
            "address": self.address,
        }
