"""Helpers to check custom models and read why one is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cameras.ingest.custom_models import validation
from cameras.ingest.custom_models.check import check
from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.custom_models.store import ModelStore
from cameras.ingest.worker.custom_detector import CustomModel
from tests.cameras.ingest.custom_models import onnx_models
from tests.cameras.ingest.custom_models.onnx_models import LABELS

RED, BLUE = (0, 0, 255), (255, 0, 0)


def stored_model(
    folder: Path, data: bytes, labels: list[str] = LABELS, colours: str = "rgb"
) -> CustomModel:
    """Store a model and return it as a worker's configuration describes it."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = ModelStore(folder).put(sha256, lambda: data)
    sides = onnx_models.WIDTH, onnx_models.HEIGHT
    return CustomModel("the model", sha256, str(path), tuple(labels), *sides, colours, "unit")


def refusal(data: bytes, labels: list[str] | None = LABELS) -> str:
    with pytest.raises(ModelFailed) as refused:
        check(data, labels, "rgb", "unit")
    sentence = refused.value.sentence
    assert sentence.endswith((".", ")")) or ": " in sentence
    return sentence


def refusal_in_process(data: bytes) -> str:
    """Return the refusal of the code that runs in the model's process, run here."""
    with pytest.raises(ModelFailed) as refused:
        validation.check(validation.Model(data, "rgb", "unit"), LABELS)
    return refused.value.sentence
