"""The database side of ingest: camera configurations for the workers, models and fences."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from cameras.ingest.custom_models.store import ModelStore
from cameras.ingest.sources.addresses import SourceError, device_index
from cameras.models import Camera, DeviceGrant, Kind, Weights
from cameras.models.local_sources import device_refusal, media_folder
from project.audit.log import Action, log_action
from project.encryption import UnsealFailed


def load_configurations() -> dict[str, dict[str, Any]]:
    """Return the worker configuration of each enabled camera, by camera id."""
    models = _custom_models()
    cameras = list(Camera.objects.filter(enabled=True))
    granted: set[tuple[uuid.UUID, int]] = set()
    if any(camera.kind == Kind.DEVICE for camera in cameras):
        granted.update(DeviceGrant.objects.values_list("organization_id", "device"))
    return {str(camera.pk): _configuration(camera, models, granted) for camera in cameras}


@functools.cache
def _model_store(folder: Path) -> ModelStore:
    """Return the same store for every poll: it remembers recent failures."""
    return ModelStore(folder)


def _custom_models() -> dict[uuid.UUID, dict[str, Any]]:
    """Return each custom model as workers need it, by organization id; store the model files."""
    store = _model_store(settings.DATA_DIR / "detectors")
    used = list(Weights.objects.in_use())
    store.keep(model.sha256 for model in used)
    paths = {model.pk: store.put(model.sha256, model.data) for model in used}
    return {
        model.organization_id: {
            "id": str(model.pk),
            "sha256": model.sha256,
            "path": str(paths[model.pk]),
            "labels": model.labels,
            "width": model.width,
            "height": model.height,
            "colours": model.colours,
            "scale": model.scale,
        }
        for model in used
        if paths[model.pk] is not None
    }


def disable_model(model: str, sentence: str) -> None:
    """Take a custom model out of use because it failed too often. `model` is its id."""
    weights = Weights.objects.select_related("organization").filter(pk=model).first()
    if weights is None:
        return
    with transaction.atomic():
        if weights.refuse(f"It was taken out of use, for it failed again and again. {sentence}"):
            log_action(
                None, Action.CHANGE_MODEL, weights.name, weights.organization, detail=sentence
            )


def _configuration(
    camera: Camera,
    models: Mapping[uuid.UUID, dict[str, Any]],
    granted: Container[tuple[uuid.UUID, int]],
) -> dict[str, Any]:
    source, unusable = "", ""
    try:
        source = camera.source
        if camera.kind == Kind.DEVICE:
            device = device_index(source)
            if (camera.organization_id, device) not in granted:
                source, unusable = "", device_refusal(device)
    except (UnsealFailed, SourceError) as error:
        unusable = str(error)
    return {
        "camera": str(camera.pk),
        "kind": camera.kind,
        "source": source,
        "unusable": unusable,  # a sentence why the camera is not opened at all, or empty
        "fps": camera.fps,
        "width": camera.width,
        "quality": camera.quality,
        "aspect": camera.aspect,
        "detect": camera.detect,
        "classes": camera.classes,
        "threshold": camera.threshold,
        "model": models.get(camera.organization_id) if camera.detect else None,
        "masks": camera.masks,
        "mask_version": camera.mask_version,
        "allow_loopback": settings.ALLOW_LOOPBACK_SOURCES,
        "listed": sorted(settings.CAMERA_SERVERS),
        "decoder": settings.VIDEO_DECODER,
        "media_root": str(media_folder(camera.organization_id)),
    }


def claim_fences(camera_ids: list[str]) -> dict[str, int]:
    """Claim a new fence (fencing token) for each camera; return those of existing cameras."""
    claimed = {camera_id: Camera.claim_fence(camera_id) for camera_id in camera_ids}
    return {camera_id: fence for camera_id, fence in claimed.items() if fence is not None}
