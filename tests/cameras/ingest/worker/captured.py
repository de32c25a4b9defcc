"""A `Capture` in the test process, and helpers to examine its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cameras.ingest.worker.detector import Detector
from cameras.ingest.worker.freshness import Health
from cameras.ingest.worker.picture import Picture
from cameras.ingest.worker.push import Push
from cameras.ingest.worker.reconnect import ReconnectingCapture
from cameras.ingest.worker.source import Source


@contextmanager
def captured(
    kind: str,
    source: str = "",
    media_root: Path = Path("."),
    rate: float = 100.0,
    aspect: str = "auto",
) -> Iterator[ReconnectingCapture]:
    camera = ReconnectingCapture(
        Source(kind, source, media_root, allow_loopback=True, aspect=aspect)
    )
    camera.rate = rate
    camera.start()
    try:
        yield camera
    finally:
        assert camera.stop(60)


def losses(camera: ReconnectingCapture) -> list[Health]:
    """Return a list that collects the health at each loss: it may last too briefly to poll."""
    healths: list[Health] = []
    record_loss = camera._freshness.record_loss

    def note(reason: str, attempt: int) -> None:
        record_loss(reason, attempt)
        healths.append(camera.health())

    camera._freshness.record_loss = note  # type: ignore[method-assign]
    return healths


def pictures(camera: ReconnectingCapture, count: int) -> list[Picture]:
    found: list[Picture] = []
    while len(found) < count:
        picture = camera.slot.newest(found[-1] if found else None, timeout=60)
        assert picture is not None, camera.health()
        found.append(picture)
    return found


@cache
def detector() -> Detector:
    return Detector(classes=["person"])


def people(picture: Picture) -> int:
    image = picture.pixels()
    assert image is not None
    return len(detector().detect(image))


def state(camera: ReconnectingCapture | Push) -> str:
    return camera.health().state
