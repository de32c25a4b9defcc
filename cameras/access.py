"""A camera's own kinds of credentials: stream keys, tickets, and visits of share links.

They are registered with `project.accounts.access` when the app is ready. So is the lookup of
cameras' organizations, since connections are open for a camera.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from cameras.models import Camera, StreamKey, Ticket, Visit
from cameras.models.tickets import TooManyTickets
from project.accounts.access import register_resource_owners
from project.accounts.authentication import Denied
from project.accounts.credentials import (
    NO_CREDENTIAL,
    Actor,
    BadCredential,
    Credential,
    Description,
    actor_for,
    actors_for,
    register_credential_kind,
)
from project.accounts.models.tokens import digest
from project.problems import problem

NO_CAMERA = "There is no such camera."
BAD_KEY = "The stream key is unknown, expired or revoked."
VISIT_COOKIE = "sideline_visit"  # on the path of the link's page, and on that of its sockets
VISIT_SOCKETS_MOST = 4  # of one visit at a time: reloads, and a second tab or two


def register() -> None:
    """Register the kinds of credentials and the lookup of owners. Idempotent."""
    _register_watching("key", "stream key", StreamKey)
    _register_watching("visit", "share link", Visit, "link__")
    register_credential_kind(
        "ticket",
        find_actors=_actors_for_tickets,
        renew=Ticket.renew,
        one_use=True,
    )
    register_resource_owners(_find_owners)


def actor_for_stream_key(text: str) -> Actor | None:
    """Return the actor of a valid stream key, which may only watch one camera; else None."""
    return actor_for(Credential("key", digest(text))) if StreamKey.PATTERN.fullmatch(text) else None


def issue_visit_ticket(visit: Visit) -> tuple[str, datetime]:
    """Return a ticket for one socket of the visit, and the end of its life.

    Raises `TooManyTickets` if `VISIT_SOCKETS_MOST` sockets are open or may still be opened, in all
    processes. The place of a process that died is free after `TICKET_LIFE`.
    """
    with transaction.atomic():
        Visit.objects.select_for_update().get(pk=visit.pk)  # concurrent requests are counted too
        held = Ticket.objects.filter(parent_kind="visit", parent_credential_id=visit.pk)
        if held.filter(expires_at__gt=timezone.now()).count() >= VISIT_SOCKETS_MOST:
            raise TooManyTickets
        watch = Ticket.Purpose.WATCH
        return Ticket.issue(visit.link.camera, watch, Credential("visit", visit.pk))


def actor_for_ticket(text: str, visit: str = "") -> tuple[Actor, Ticket]:
    """Use up a ticket. Return the actor that requested it, and the ticket.

    `visit` is the visit cookie that came with it: a ticket of a visit needs the same one. Raises
    `BadCredential` if the ticket is unknown, used or expired, or of another browser's visit.
    """
    ticket = Ticket.claim(text)
    if ticket and ticket.parent_kind == "visit" and ticket.parent_credential_id != digest(visit):
        raise BadCredential("The ticket was given to another browser.")
    actor = actor_for(Credential("ticket", ticket.digest)) if ticket else None
    if ticket is None or actor is None:
        raise BadCredential("The ticket is unknown, used or too old.")
    return actor, ticket


def _register_watching(
    kind: str, label: str, model: type[StreamKey] | type[Visit], path: str = ""
) -> None:
    """Register a credential that may only watch one camera. `path` leads to its camera and name.

    With a path, the row that it leads to is the credential's parent.
    """
    rows: Any = model.objects

    def find_actors(digests: Collection[str]) -> dict[str, Actor]:
        found = rows.alive().filter(digest__in=digests)
        return {
            digest: Actor(
                resource_ids=(camera_id,),
                credential=Credential("link", str(parent)) if path else NO_CREDENTIAL,
            )
            for digest, camera_id, parent in found.values_list(
                "digest", f"{path}camera_id", f"{path}pk"
            )
        }

    def describe(digests: Collection[str]) -> dict[str, Description]:
        names = rows.filter(digest__in=digests).values_list("digest", f"{path}name")
        unknown = dict.fromkeys(digests, Description(label, label))
        return unknown | {digest: Description(f"{label} “{name}”", label) for digest, name in names}

    register_credential_kind(kind, find_actors=find_actors, describe=describe)


def _actors_for_tickets(digests: Collection[str]) -> dict[str, Actor]:
    """The actors of used tickets: those of their parent credentials, while these are valid."""
    rows = Ticket.objects.filter(digest__in=digests, used_at__isnull=False)
    parents = {
        credential_id: Credential(kind, parent)
        for credential_id, kind, parent in rows.exclude(parent_kind="ticket").values_list(
            "digest", "parent_kind", "parent_credential_id"
        )
    }
    actors = actors_for(parents.values())
    return {
        credential_id: actors[parent]
        for credential_id, parent in parents.items()
        if parent in actors
    }


def _find_owners(camera_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """The organizations of cameras; without those that were deleted."""
    return dict(Camera.objects.filter(pk__in=camera_ids).values_list("pk", "organization_id"))


def find_known_camera(actor: Actor, name: str, key_actor: Actor | None = None) -> Camera | None:
    """Return a camera of the actor's organizations or key; None for others.

    `name` is what the client wrote: the camera's id, or the stream key of `key_actor`.
    """
    try:
        camera_id = key_actor.resource_ids[0] if key_actor else uuid.UUID(name)
    except ValueError:
        return None
    known = Camera.objects.known_to(actor).select_related("organization", "state")
    return known.filter(pk=camera_id).first()


def get_known_camera(actor: Actor, name: str, key_actor: Actor | None = None) -> Camera:
    """Return the camera of `find_known_camera`. Raises `Denied` (404) without one."""
    camera = find_known_camera(actor, name, key_actor)
    if camera is None:
        raise Denied(problem(404, NO_CAMERA))
    return camera


def require_watch(actor: Actor, camera: Camera) -> None:
    """Raise `Denied` (403) if the actor's role or scope does not allow to watch the camera."""
    if not camera.may_be_watched_by(actor):
        raise Denied(problem(403, "This needs the scope “read”."))
