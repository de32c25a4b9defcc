"""The connection test of a camera's source, before the camera is saved."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from cameras.ingest.sources.probe import test_connection
from cameras.models import Camera, Kind
from cameras.models.local_sources import media_folder


def check_source(camera: Camera) -> dict[str, Any]:
    """Capture the source for up to 10 s. Return `{"ok": bool, "sentence": str, "picture": str}`.

    `picture` is the first picture as JPEG in base64, or empty. The stored masks of the camera are
    painted over it, so that a test shows no more than watching does.
    """
    if camera.kind not in Kind.values:
        return _answer(False, "Choose what kind of camera this is.")
    try:
        camera.validate_source()
    except ValidationError as error:
        return _answer(False, " ".join(error.messages))
    probe = test_connection(
        camera.kind,
        camera.source,
        media_root=media_folder(camera.organization_id),
        allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
        listed=settings.CAMERA_SERVERS,
        aspect=camera.aspect,
        masks=camera.masks,
    )
    return _answer(probe.ok, probe.sentence, probe.jpeg)


def _answer(ok: bool, sentence: str, jpeg: bytes = b"") -> dict[str, Any]:
    return {"ok": ok, "sentence": sentence, "picture": b64encode(jpeg).decode()}
