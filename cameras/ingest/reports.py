"""What ingest reads from and writes to the database: cameras, their states, their last pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from cameras.models import Camera, CameraState, CameraStill
from cameras.models.sealed import SealBroken


def configurations() -> dict[str, dict[str, Any]]:
    """What each enabled camera's worker needs to know, by camera id."""
    return {
        str(camera.pk): _configuration(camera) for camera in Camera.objects.filter(enabled=True)
    }


def _configuration(camera: Camera) -> dict[str, Any]:
    try:
        source, unreadable = camera.source, ""
    except SealBroken as error:
        source, unreadable = "", str(error)
    return {
        "camera": str(camera.pk),
        "kind": camera.kind,
        "source": source,
        "unreadable": unreadable,
        "fps": camera.fps,
        "width": camera.width,
        "quality": camera.quality,
        "detect": camera.detect,
        "classes": camera.classes,
        "threshold": camera.threshold,
        "allow_loopback": settings.ALLOW_LOOPBACK_SOURCES,
        "media_root": str(settings.MEDIA_DIR),
    }


def store_state(header: dict[str, Any]) -> None:
    """Write a state packet; a camera deleted meanwhile leaves nothing behind."""
    last = header["last_frame"]
    values = {
        "state": header["state"],
        "since": _moment(header["since"]),
        "reason": header["reason"][:300],
        "fps": header["fps"] or 0,
        "width": header["width"] or 0,
        "height": header["height"] or 0,
        "reported_at": timezone.now(),
    }
    if last is not None:
        values["last_frame_at"] = _moment(last)
    if Camera.objects.filter(pk=header["camera"]).exists():
        CameraState.objects.update_or_create(camera_id=header["camera"], defaults=values)


def store_still(camera_id: str, timestamp: int, jpeg: bytes) -> None:
    """Keep the last picture of a camera."""
    values = {"jpeg": jpeg, "taken_at": _moment(timestamp)}
    if Camera.objects.filter(pk=camera_id).exists():
        CameraStill.objects.update_or_create(camera_id=camera_id, defaults=values)


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
