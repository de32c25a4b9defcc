"""Objects in one picture, by an organization's own model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.process import ModelProcess
from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.labels import read_labels, select_labels
from cameras.ingest.worker.detector import Canvas, Image, groups
from cameras.live.frames import Detection


@dataclass(frozen=True, slots=True)
class Own:
    """A model as its row describes it, and the file in which this machine keeps it."""

    id: str
    sha256: str
    path: str
    labels: tuple[str, ...]
    colours: str
    scale: str

    @classmethod
    def read(cls, facts: dict[str, Any] | None) -> Own | None:
        """From a camera's configuration."""
        if not facts:
            return None
        told = {name: str(facts[name]) for name in ("id", "sha256", "path", "colours", "scale")}
        return cls(labels=tuple(read_labels(facts["labels"])), **told)

    def data(self) -> bytes:
        """The file's bytes. Raises `OSError` where it is not there, or is not what was checked."""
        data = Path(self.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            Path(self.path).unlink(missing_ok=True)  # it is fetched again
            raise OSError("The model's file is damaged.")
        return data


class OwnDetector:
    """As `Detector`, with a process that must be closed. Raises `ModelFailed` and `OSError`."""

    def __init__(self, own: Own, threshold: float, classes: Iterable[str]) -> None:
        self.threshold = threshold
        self._labels = own.labels
        self._groups = groups(own.labels)
        wanted = set(select_labels(classes, own.labels))
        indices = [at for at, label in enumerate(own.labels) if label in wanted]
        self._runner: ModelProcess | None = None
        if not indices:
            return
        asked = {
            "check": False, "colours": own.colours, "scale": own.scale,
            "classes": len(own.labels), "chosen": indices, "threshold": threshold,
        }  # fmt: skip
        self._runner = ModelProcess(own.data(), asked, protocol.LOAD_S)
        try:
            self._canvas = Canvas(*(_side(self._runner.facts.get(k)) for k in ("width", "height")))
        except BaseException:
            self.close()
            raise

    def detect(self, image: Image) -> list[Detection]:
        """Objects in a BGR image [height, width, 3], best first; boxes in its pixels, inside it."""
        if self._runner is None:
            return []
        self._canvas.fit(image)
        found = self._runner.candidates(self._canvas.pixels.tobytes())
        rows = np.frombuffer(found, np.float32).reshape(-1, protocol.VALUES).astype(np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        known = (rows[:, 5] >= 0) & (rows[:, 5] < len(self._labels))
        rows = rows[known & (rows[:, 4] >= self.threshold)]
        boxes, scores, classes = rows[:, :4], rows[:, 4].clip(0, 1), rows[:, 5].astype(int)
        return self._canvas.settle(
            boxes, scores, classes, self._groups, self._labels, self.threshold
        )

    def close(self) -> None:
        """End its process."""
        if self._runner is not None:
            self._runner.close()


def _side(value: object) -> int:
    if not isinstance(value, int) or not protocol.SMALLEST <= value <= protocol.LARGEST:
        raise ModelFailed("It failed on a picture.")
    return value
