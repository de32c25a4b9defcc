"""The connection test of a camera's source, before the camera is saved."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from cameras.ingest.sources.probe import test_connection
from cameras.models import Camera, Kind
from cameras.models.local_sources import media_folder


def check_source(camera: Camera) -> dict[str, Any]:
    """Open the source for up to 5 s. Return `{"ok": bool, "sentence": str}`."""
    if camera.kind not in Kind.values:
        return {"ok": False, "sentence": "Choose what kind of camera this is."}
    try:
        camera.validate_source()
    except ValidationError as error:
        return {"ok": False, "sentence": " ".join(error.messages)}
    probe = test_connection(
        camera.kind,
        camera.source,
        media_root=media_folder(camera.organization_id),
        allow_loopback=settings.ALLOW_LOOPBACK_SOURCES,
        listed=settings.CAMERA_SERVERS,
    )
    return {"ok": probe.ok, "sentence": probe.sentence}
