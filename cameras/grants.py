"""What holds a connection open, and whether it still does."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from cameras.actors import Actor, actors_behind
from cameras.models import Camera


@dataclass(frozen=True, slots=True)
class Grant:
    """A credential (`kind`, `proof`), the camera it was admitted to, and to `publish` or watch."""

    kind: str
    proof: str
    camera_id: uuid.UUID
    publish: bool = False


def grant_for(actor: Actor, camera: Camera, *, publish: bool = False) -> Grant:
    """The actor's credential, bound to the camera."""
    return Grant(*actor.grant, camera.pk, publish)


def standing(grants: Iterable[Grant]) -> dict[Grant, int]:
    """Of these grants, the ones that no longer hold, with the close code that says why.

    A few queries for each kind of credential, however many there are.
    4401: the credential itself is gone; 4403: it no longer reaches the camera; 4404: no camera.
    """
    asked = set(grants)
    actors = actors_behind((grant.kind, grant.proof) for grant in asked)
    cameras = _cameras_of(asked)
    fallen: dict[Grant, int] = {}
    for grant in asked:
        actor, camera = actors.get((grant.kind, grant.proof)), cameras.get(grant.camera_id)
        if actor is None:
            fallen[grant] = 4401
        elif grant.camera_id in actor.keyed_cameras and not grant.publish:
            continue  # a key goes with its camera
        elif camera is None:
            fallen[grant] = 4404
        elif not (actor.may_publish(camera) if grant.publish else actor.may_watch(camera)):
            fallen[grant] = 4403
    return fallen


def _cameras_of(grants: Iterable[Grant]) -> dict[uuid.UUID, Camera]:
    """The cameras that there are, of those that people watch."""
    wanted = {grant.camera_id for grant in grants if grant.kind != "key"}
    found = Camera.objects.filter(pk__in=wanted).only("pk", "organization_id")
    return {camera.pk: camera for camera in found} if wanted else {}
