"""A camera's own credentials: stream keys, tickets, and the visits of share links.

They are registered with `project.accounts.access` when the app is ready, as are cameras: what a
connection is held open for.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from cameras.models import Camera, StreamKey, Ticket, Visit
from project.accounts.access import (
    Actor,
    BadCredential,
    Credential,
    Words,
    actor_behind,
    actors_behind,
    register_credential,
    register_resources,
    words_for,
)
from project.accounts.authentication import Denied
from project.accounts.models.tokens import digest
from project.problems import problem


def register() -> None:
    """Idempotent."""
    register_credential("key", actors=_by_key, words=_words_of_keys)
    register_credential("visit", actors=_by_visit, words=_words_of_visits)
    register_credential("ticket", actors=_by_ticket, words=_words_of_tickets)
    register_resources(_owners)


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


def _by_key(digests: Collection[str]) -> dict[str, Actor]:
    keys = StreamKey.objects.alive().filter(digest__in=digests)
    return {
        proof: Actor(resource_ids=(camera_id,))
        for proof, camera_id in keys.values_list("digest", "camera_id")
    }


def _words_of_keys(digests: Collection[str]) -> dict[str, Words]:
    names = StreamKey.objects.filter(digest__in=digests).values_list("digest", "name")
    found: dict[str, Words] = dict.fromkeys(digests, ("stream key", "stream key"))
    return found | {proof: (f"stream key “{name}”", "stream key") for proof, name in names}


def _by_visit(digests: Collection[str]) -> dict[str, Actor]:
    visits = Visit.objects.alive().filter(digest__in=digests)
    return {
        proof: Actor(resource_ids=(camera_id,))
        for proof, camera_id in visits.values_list("digest", "link__camera_id")
    }


def _words_of_visits(digests: Collection[str]) -> dict[str, Words]:
    names = Visit.objects.filter(digest__in=digests).values_list("digest", "link__name")
    found: dict[str, Words] = dict.fromkeys(digests, ("share link", "share link"))
    return found | {proof: (f"share link “{name}”", "share link") for proof, name in names}


def _by_ticket(digests: Collection[str]) -> dict[str, Actor]:
    """Whom used tickets stand for: the credentials that asked for them, while those live."""
    parents = _parents(digests, used_at__isnull=False)
    actors = actors_behind(parents.values())
    return {proof: actors[parent] for proof, parent in parents.items() if parent in actors}


def _words_of_tickets(digests: Collection[str]) -> dict[str, Words]:
    """A ticket is called after the credential that asked for it."""
    parents = _parents(digests)
    words = words_for(parents.values())
    found: dict[str, Words] = dict.fromkeys(digests, ("", "ticket"))
    for proof, parent in parents.items():
        if parent in words:
            who, by = words[parent]
            found[proof] = (who, f"ticket of a {by}")
    return found


def _parents(digests: Collection[str], **facts: object) -> dict[str, Credential]:
    """The credentials that asked for tickets, by the tickets' digests. No ticket asks for one."""
    rows = Ticket.objects.filter(digest__in=digests, **facts).exclude(parent_kind="ticket")
    return {
        proof: (kind, parent)
        for proof, kind, parent in rows.values_list("digest", "parent_kind", "parent_proof")
    }


def _owners(camera_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """The organizations of the cameras that there still are."""
    return dict(Camera.objects.filter(pk__in=camera_ids).values_list("pk", "organization_id"))


def known_camera(actor: Actor, camera_id: uuid.UUID) -> Camera:
    """The camera, if it is of the actor's organizations or key; else 404."""
    known = Camera.objects.known_to(actor).select_related("organization", "state")
    camera = known.filter(pk=camera_id).first()
    if camera is None:
        raise Denied(problem(404, "There is no such camera."))
    return camera


def must_watch(actor: Actor, camera: Camera) -> None:
    """403 where role or scope do not let the actor see the camera."""
    if not camera.may_be_watched_by(actor):
        raise Denied(problem(403, "This needs the scope “read”."))
