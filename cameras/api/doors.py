"""Which camera an async view is about, and whether it may be watched."""

from __future__ import annotations

import uuid

from cameras.models import Camera
from project.accounts.access import Actor
from project.accounts.authentication import Denied
from project.problems import problem


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
