"""The detector that runs an organization's custom model in a process of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.process import ModelProcess
from cameras.ingest.labels import select_labels
from cameras.ingest.worker.detector import Canvas, Image, nms_groups
from cameras.live.frames import Detection


@dataclass(frozen=True, slots=True)
class CustomModel:
    """A custom model as its database row describes it, with the path of its file on this host."""

    id: str
    sha256: str
    path: str
    labels: tuple[str, ...]
    width: int
    height: int
    colours: str
    scale: str

    @classmethod
    def from_config(cls, config: dict[str, Any] | None) -> CustomModel | None:
        """Return the model in a camera's configuration; None if there is none."""
        if not config:
            return None
        return cls(**config | {"labels": tuple(config["labels"])})

    def read_bytes(self) -> bytes:
        """Return the file's content. Raises `OSError` if it is missing or not what was checked."""
        data = Path(self.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            Path(self.path).unlink(missing_ok=True)  # the next poll stores it again
            raise OSError("The model's file is damaged, or still being written.")
        return data


class CustomDetector:
    """Like `Detector`, but owns a process: call `close`. Raises `ModelFailed` and `OSError`."""

    def __init__(self, model: CustomModel, threshold: float, classes: Iterable[str]) -> None:
        self.threshold = threshold
        self._labels = model.labels
        self._groups = nms_groups(model.labels)
        wanted = set(select_labels(classes, model.labels))
        indices = [at for at, label in enumerate(model.labels) if label in wanted]
        self._process: ModelProcess | None = None
        if not indices:
            return
        request = {
            "check": False, "colours": model.colours, "scale": model.scale,
            "classes": len(model.labels), "chosen": indices, "threshold": threshold,
        }  # fmt: skip
        self._canvas = Canvas(model.width, model.height)
        self._process = ModelProcess(model.read_bytes(), request, protocol.LOAD_S)

    def detect(self, image: Image) -> list[Detection]:
        """Return the objects in a BGR image [height, width, 3], best first; boxes in pixels."""
        if self._process is None:
            return []
        self._canvas.fit(image)
        found = self._process.candidates(self._canvas.pixels.tobytes())
        rows = np.frombuffer(found, np.float32).reshape(-1, 6).astype(np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        known = (rows[:, 5] >= 0) & (rows[:, 5] < len(self._labels))
        rows = rows[known & (rows[:, 4] >= self.threshold)]
        boxes, scores, classes = rows[:, :4], rows[:, 4].clip(0, 1), rows[:, 5].astype(int)
        return self._canvas.to_detections(
            boxes, scores, classes, self._groups, self._labels, self.threshold
        )

    def close(self) -> None:
        """End the model's process."""
        if self._process is not None:
            self._process.close()
