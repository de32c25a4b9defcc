"""A capture of this process, and what its pictures show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cameras.ingest.worker.capture import Capture
from cameras.ingest.worker.detector import Detector
from cameras.ingest.worker.freshness import Health
from cameras.ingest.worker.push import Push
from cameras.ingest.worker.stream import Picture


@contextmanager
def captured(
    kind: str, source: str = "", media_root: Path = Path("."), rate: float = 100.0
) -> Iterator[Capture]:
    camera = Capture(kind, source, media_root=media_root, allow_loopback=True)
    camera.rate = rate
    camera.start()
    try:
        yield camera
    finally:
        assert camera.stop(60)


def losses(camera: Capture) -> list[Health]:
    """What is said of the camera at each loss from now on: it may be back before anybody asks."""
    said: list[Health] = []
    lost = camera._freshness.lost

    def note(reason: str, attempt: int) -> None:
        lost(reason, attempt)
        said.append(camera.health())

    camera._freshness.lost = note  # type: ignore[method-assign]
    return said


def pictures(camera: Capture, count: int) -> list[Picture]:
    made: list[Picture] = []
    while len(made) < count:
        picture = camera.slot.newest(made[-1].timestamp if made else 0, timeout=60)
        assert picture is not None, camera.health()
        made.append(picture)
    return made


@cache
def detector() -> Detector:
    return Detector(classes=["person"])


def people(picture: Picture) -> int:
    image = picture.pixels()
    assert image is not None
    return len(detector().detect(image))


def state(camera: Capture | Push) -> str:
    return camera.health().state
