"""The check of an uploaded model, for the web process. OpenCV-free and numpy-free."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.process import ModelProcess
from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.labels import read_labels

_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Passed:
    """What is known of a model that may be used: pixels, labels, seconds and bytes."""

    width: int
    height: int
    labels: list[str]
    seconds: float
    memory: int

    def sentence(self) -> str:
        """For its owner."""
        rate = min(5.0, 1 / max(self.seconds, 0.001))
        slow = (
            ""
            if rate >= 5
            else f" That is {rate:.1f} pictures a second at best; what moves fast may get lost."
        )
        return (
            f"One picture takes {self.seconds * 1000:.0f} ms of one processor and "
            f"{self.memory // 1_000_000} MB of memory for each camera.{slow}"
        )


def check(model: bytes, labels: list[str] | None, colours: str, scale: str) -> Passed:
    """Run a model in a process of its own, for `protocol.CHECK_S` at most.

    `labels` None: those that the file names. Raises `ModelFailed` with the reason, or
    `OSError` where the machine has no process left or this process checks another model.
    """
    if not _one_at_a_time.acquire(blocking=False):
        raise BlockingIOError("This process checks another model.")
    try:
        request = {"check": True, "labels": labels, "colours": colours, "scale": scale}
        runner = ModelProcess(model, request, protocol.CHECK_S)
        runner.close()
        return _passed(runner.facts)
    finally:
        _one_at_a_time.release()


def _passed(facts: dict[str, Any]) -> Passed:
    """The process ran a stranger's model: its answer is read as a stranger's, too."""
    try:
        width, height, memory = (int(facts[key]) for key in ("width", "height", "memory"))
        if not all(protocol.SMALLEST <= side <= protocol.LARGEST for side in (width, height)):
            raise ValueError
        return Passed(width, height, read_labels(facts["labels"]), float(facts["seconds"]), memory)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ModelFailed("It failed on a picture.") from None
