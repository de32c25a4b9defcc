"""What ingest reads from the database: the cameras, and what each one's worker needs to know."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from cameras.ingest.custom_models.store import ModelStore
from cameras.models import Camera, Weights
from project.audit.log import Action, note
from project.encryption import SealBroken


def configurations() -> dict[str, dict[str, Any]]:
    """What each enabled camera's worker needs to know, by camera id."""
    models = _own_models()
    return {
        str(camera.pk): _configuration(camera, models)
        for camera in Camera.objects.filter(enabled=True)
    }


@functools.cache
def _shelf(folder: Path) -> ModelStore:
    """The same for every look, for it knows what failed just now."""
    return ModelStore(folder)


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
    claimed = {camera_id: Camera.claim_fence(camera_id) for camera_id in camera_ids}
    return {camera_id: fence for camera_id, fence in claimed.items() if fence is not None}
