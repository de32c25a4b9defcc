"""A camera whose frames are pushed by a device."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from cameras.ingest.worker.encoder import encode_picture
from cameras.ingest.worker.push import Push
from tests.cameras.ingest.worker.captured import people, state
from tests.clips import scene, turned_jpeg, unlikeness
from tests.servers import plaza_jpegs
from tests.waiting import until


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
        "Nothing was sent for a while.",
    )
    monkeypatch.setattr("cameras.ingest.worker.freshness.time.monotonic", lambda: now + 11)
    assert state(camera) == "offline"


def test_frames_continue_after_the_servers_clock_was_set_back() -> None:
    """The times before that were an hour ahead, for the server let none pass but those."""
    camera, jpeg, hour = Push(), plaza_jpegs()[0], 3_600_000
    assert camera.take(2 * hour, jpeg)
    first = camera.slot.newest()
    assert not camera.take(2 * hour - 1000, jpeg), "it was overtaken"
    assert camera.take(hour, jpeg)
    second = camera.slot.newest()
    assert first is not None
    assert second is not None
    assert second.order > first.order


def test_frame_that_was_on_its_way_for_long_does_not_make_the_camera_live() -> None:
    camera = Push()
    assert camera.take(1000, plaza_jpegs()[0], time.monotonic() - 4)
    assert state(camera) == "stale"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pushed_picture_is_shown_upright_in_every_width(orientation: int) -> None:
    camera = Push()
    camera.start()
    assert camera.take(1000, turned_jpeg(scene()[0], orientation))
    assert (camera.health().width, camera.health().height) == (768, 432)
    picture = until(lambda: camera.slot.newest(), 30, "a picture")
    for width in (None, 320):
        frame = encode_picture(picture, width, 80, None)
        assert frame is not None
        shown = cv2.imdecode(
            np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )
        assert shown is not None
        assert shown.shape == (frame.height, frame.width, 3)
        assert frame.width / frame.height == pytest.approx(768 / 432, rel=0.01)
        assert unlikeness(np.asarray(shown, np.uint8)) < 5
