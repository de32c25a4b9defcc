"""What holds a connection open, and whether it still does."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from cameras.actors import Actor, actors_behind
from cameras.models import Camera


@dataclass(frozen=True, slots=True)
class Grant:
    """A credential (`kind`, `proof`), and what it was admitted to: to watch a camera or `publish`
    as one; or, without a camera, to do what `scope` names in an organization."""

    kind: str
    proof: str
    camera_id: uuid.UUID | None = None
    publish: bool = False
    organization_id: uuid.UUID | None = None
    scope: str = ""


def grant_for(actor: Actor, camera: Camera, *, publish: bool = False) -> Grant:
    """The actor's credential, bound to the camera."""
    return Grant(*actor.grant, camera.pk, publish)


def grant_in(actor: Actor, organization_id: uuid.UUID, scope: str) -> Grant:
    """The actor's credential, bound to what it may do in an organization."""
    return Grant(*actor.grant, organization_id=organization_id, scope=scope)


def standing(grants: Iterable[Grant]) -> dict[Grant, int]:
    """Of these grants, the ones that no longer hold, with the close code that says why.

    A few queries for each kind of credential, however many there are. The first that fits is told:
    4404: there is no such camera (which takes its tickets, keys and links along);
    4401: the credential itself is gone; 4403: it no longer reaches so far.
    """
    asked = set(grants)
    actors = actors_behind((grant.kind, grant.proof) for grant in asked)
    cameras = _cameras_of(asked)
    fallen: dict[Grant, int] = {}
    for grant in asked:
        camera = cameras.get(grant.camera_id) if grant.camera_id else None
        code = _code(grant, actors.get((grant.kind, grant.proof)), camera)
        if code:
            fallen[grant] = code
    return fallen


def _code(grant: Grant, actor: Actor | None, camera: Camera | None) -> int:
    """The close code where the grant no longer holds; 0 where it does."""
    if grant.camera_id is not None and camera is None:
        return 4404
    if actor is None:
        return 4401
    if camera is None:
        holds = grant.organization_id is not None and actor.may(grant.scope, grant.organization_id)
    else:
        holds = actor.may_publish(camera) if grant.publish else actor.may_watch(camera)
    return 0 if holds else 4403


def _cameras_of(grants: Iterable[Grant]) -> dict[uuid.UUID, Camera]:
    """The cameras that there still are."""
    wanted = {grant.camera_id for grant in grants if grant.camera_id}
    found = Camera.objects.filter(pk__in=wanted).only("pk", "organization_id")
    return {camera.pk: camera for camera in found} if wanted else {}
