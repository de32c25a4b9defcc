"""What ingest reads from and writes to the database: cameras, their states, their last pictures."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from cameras.models import Camera, CameraState, CameraStill
from cameras.models.sealed import SealBroken


class Outranked(Exception):
    """Another lease of the camera was claimed after the writer's: nothing was written."""


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


def claim_fences(camera_ids: list[str]) -> dict[str, int]:
    """A new fence for each camera that there is."""
    claimed = {camera_id: CameraState.claim_fence(camera_id) for camera_id in camera_ids}
    return {camera_id: fence for camera_id, fence in claimed.items() if fence is not None}


def store_state(header: dict[str, Any]) -> None:
    """Write a state packet; a camera deleted meanwhile leaves nothing behind.

    Raises `Outranked` where its fence is not the camera's newest.
    """
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
    if not _states(header["camera"], header["fence"]).update(**values):
        _refuse(header["camera"])


def store_still(camera_id: str, fence: int, timestamp: int, jpeg: bytes) -> None:
    """Keep the last picture of a camera. Raises `Outranked` as above."""
    values = {"jpeg": jpeg, "taken_at": _moment(timestamp)}
    stills = CameraStill.objects.filter(camera__state__in=_states(camera_id, fence))
    if stills.update(**values):
        return
    if not _states(camera_id, fence).exists():
        _refuse(camera_id)
    elif not CameraStill.objects.filter(camera_id=camera_id).exists():
        first = CameraStill(camera_id=camera_id, **values)
        with suppress(IntegrityError):  # deleted just now
            CameraStill.objects.bulk_create([first], ignore_conflicts=True)


def _states(camera_id: str, fence: int) -> QuerySet[CameraState]:
    """The camera's state, if the fence may write it."""
    return CameraState.objects.filter(camera_id=camera_id, fence__lte=fence)


def _refuse(camera_id: str) -> None:
    if Camera.objects.filter(pk=camera_id).exists():
        raise Outranked


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
