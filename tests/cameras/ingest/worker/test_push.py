"""A camera whose frames are pushed by a device."""

from __future__ import annotations

import time

import pytest

from cameras.ingest.worker.push import Push
from tests.cameras.ingest.worker.captured import people, state
from tests.servers import plaza_jpegs


def test_push_camera_goes_live_stale_and_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Push()
    assert (state(camera), camera.health().reason) == ("offline", "Waiting for the first frame.")
    assert not camera.take(1000, b"not a JPEG")
    assert camera.take(2000, plaza_jpegs()[0])
    assert not camera.take(2000, plaza_jpegs()[0])
    assert not camera.take(1000, plaza_jpegs()[0])
    health = camera.health()
    assert (health.state, health.width, health.last_frame) == ("live", 768, 2000)
    picture = camera.slot.newest()
    assert picture is not None
    assert picture.jpeg == plaza_jpegs()[0]
    assert people(picture) >= 3
    now = time.monotonic()
    monkeypatch.setattr("cameras.ingest.worker.freshness.time.monotonic", lambda: now + 3.5)
    assert (state(camera), camera.health().reason) == (
        "stale",
        "No frame pushed for a while.",
    )
    monkeypatch.setattr("cameras.ingest.worker.freshness.time.monotonic", lambda: now + 11)
    assert state(camera) == "offline"
