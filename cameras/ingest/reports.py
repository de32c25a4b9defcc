"""What ingest reads from and writes to the database: cameras, their states, their last pictures."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from cameras.ingest.shelf import Shelf
from cameras.models import Camera, CameraState, CameraStill, Weights
from project.audit.log import Action, note
from project.encryption import SealBroken


class Outranked(Exception):
    """Another lease of the camera was claimed after the writer's: nothing was written."""


def configurations() -> dict[str, dict[str, Any]]:
    """What each enabled camera's worker needs to know, by camera id."""
    models = _own_models()
    return {
        str(camera.pk): _configuration(camera, models)
        for camera in Camera.objects.filter(enabled=True)
    }


@functools.cache
def _shelf(folder: Path) -> Shelf:
    """The same for every look, for it knows what failed just now."""
    return Shelf(folder)


def _own_models() -> dict[uuid.UUID, dict[str, Any]]:
    """What a worker needs to know of each organization's own model, which is put on the shelf."""
    shelf = _shelf(settings.DATA_DIR / "detectors")
    used = list(Weights.objects.in_use())
    shelf.keep(model.sha256 for model in used)
    paths = {model.pk: shelf.put(model.sha256, model.data) for model in used}
    return {
        model.organization_id: {
            "id": str(model.pk),
            "sha256": model.sha256,
            "path": str(paths[model.pk]),
            "labels": model.labels,
            "colours": model.colours,
            "scale": model.scale,
        }
        for model in used
        if paths[model.pk] is not None
    }


def refuse_model(model: str, sentence: str) -> None:
    """Take an own model out of use, for it has failed too often."""
    weights = Weights.objects.select_related("organization").filter(pk=model).first()
    if weights is None:
        return
    with transaction.atomic():
        if weights.refuse(f"It was taken out of use, for it failed again and again. {sentence}"):
            note(None, Action.CHANGE_MODEL, weights.name, weights.organization, detail=sentence)


def _configuration(camera: Camera, models: Mapping[uuid.UUID, dict[str, Any]]) -> dict[str, Any]:
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
        "model": models.get(camera.organization_id) if camera.detect else None,
        "masks": camera.masks,
        "mark": camera.mark,
        "allow_loopback": settings.ALLOW_LOOPBACK_SOURCES,
        "listed": sorted(settings.CAMERA_SERVERS),
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


@transaction.atomic
def store_still(camera_id: str, fence: int, timestamp: int, jpeg: bytes, mark: str = "") -> None:
    """Keep the last picture of a camera. Raises `Outranked` as above.

    A picture whose `mark` is not that of the camera's masks is not kept: they were changed.
    """
    camera = Camera.objects.select_for_update(no_key=True).filter(pk=camera_id).first()
    if camera is None or camera.mark != mark:
        return
    values = {"jpeg": jpeg, "taken_at": _moment(timestamp)}
    stills = CameraStill.objects.filter(camera__state__in=_states(camera_id, fence))
    if stills.update(**values):
        return
    if not _states(camera_id, fence).exists():
        _refuse(camera_id)
    elif not CameraStill.objects.filter(camera_id=camera_id).exists():
        first = CameraStill(camera_id=camera_id, **values)
        CameraStill.objects.bulk_create([first], ignore_conflicts=True)


def _states(camera_id: str, fence: int) -> QuerySet[CameraState]:
    """The camera's state, if the fence may write it."""
    return CameraState.objects.filter(camera_id=camera_id, fence__lte=fence)


def _refuse(camera_id: str) -> None:
    if Camera.objects.filter(pk=camera_id).exists():
        raise Outranked


def _moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)
