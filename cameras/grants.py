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

    A few queries for each kind of credential, however many there are.
    4401: the credential itself is gone; 4403: it no longer reaches so far; 4404: no camera.
    """
    asked = set(grants)
    actors = actors_behind((grant.kind, grant.proof) for grant in asked)
    cameras = _cameras_of(asked)
    fallen: dict[Grant, int] = {}
    for grant in asked:
        actor = actors.get((grant.kind, grant.proof))
        code = 4401 if actor is None else _reach(actor, grant, cameras)
        if code:
            fallen[grant] = code
    return fallen


def _reach(actor: Actor, grant: Grant, cameras: dict[uuid.UUID, Camera]) -> int:
    """The close code where the actor is no longer let so far; 0 where it is."""
    if grant.organization_id is not None:
        return 0 if actor.may(grant.scope, grant.organization_id) else 4403
    if grant.camera_id in actor.keyed_cameras and not grant.publish:
        return 0  # a key goes with its camera
    camera = cameras.get(grant.camera_id) if grant.camera_id else None
    if camera is None:
        return 4404
    return 0 if (actor.may_publish if grant.publish else actor.may_watch)(camera) else 4403


def _cameras_of(grants: Iterable[Grant]) -> dict[uuid.UUID, Camera]:
    """The cameras that there are, of those that people watch."""
    wanted = {g.camera_id for g in grants if g.camera_id and g.kind not in ("key", "visit")}
    found = Camera.objects.filter(pk__in=wanted).only("pk", "organization_id")
    return {camera.pk: camera for camera in found} if wanted else {}
