"""Models that were brought along, taken or refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cameras.ingest.custom_models import validation
from cameras.ingest.custom_models.check import check
from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.custom_models.store import ModelStore
from cameras.ingest.worker.custom_detector import Own
from tests.cameras.ingest.custom_models.onnx_models import LABELS

RED, BLUE = (0, 0, 255), (255, 0, 0)


def own(folder: Path, data: bytes, labels: list[str] = LABELS, colours: str = "rgb") -> Own:
    """The model on a shelf, as a worker is told of it."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = ModelStore(folder).put(sha256, lambda: data)
    return Own("the model", sha256, str(path), tuple(labels), colours, "unit")


def refusal(data: bytes, labels: list[str] | None = LABELS) -> str:
    with pytest.raises(ModelFailed) as refused:
        check(data, labels, "rgb", "unit")
    sentence = refused.value.sentence
    assert sentence.endswith((".", ")")) or ": " in sentence
    return sentence


def judged(data: bytes) -> str:
    """Why it is refused, by what its own process would run."""
    with pytest.raises(ModelFailed) as refused:
        validation.check(validation.Model(data, "rgb", "unit"), LABELS)
    return refused.value.sentence
