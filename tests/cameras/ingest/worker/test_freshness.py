"""A camera's state follows its own rate: patience with slow ones, none with fast ones."""

from __future__ import annotations

import pytest

from cameras.ingest.worker import freshness
from cameras.ingest.worker.freshness import Freshness


class Clock:
    """A monotonic clock in the place of the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(freshness, "time", clock)
    return clock


def states(camera: Freshness, clock: Clock, every: float, frames: int) -> list[str]:
    """The states at each half second while a frame comes `every` so many seconds."""
    found = []
    for number in range(frames):
        camera.record_frame(number, 64, 48)
        for _ in range(int(every * 2)):
            clock.now += 0.5
            found.append(camera.health().state)
    return found


@pytest.mark.parametrize("every", [5, 10, 30])
def test_slow_camera_is_live_between_two_frames(every: int, clock: Clock) -> None:
    camera = Freshness()
    states(camera, clock, every, 2)
    assert set(states(camera, clock, every, 5)) == {"live"}
    health = camera.health()
    assert health.interval == every
    assert health.fps == pytest.approx(1 / every, abs=0.06)


def test_slow_camera_that_stops_is_stale_and_then_offline(clock: Clock) -> None:
    camera = Freshness()
    states(camera, clock, 10, 4)
    clock.now += 10.5
    assert camera.health().state == "stale"
    clock.now += 20
    assert camera.health().state == "offline"


def test_fast_camera_is_stale_after_three_seconds(clock: Clock) -> None:
    camera = Freshness()
    states(camera, clock, 10, 4)
    for number in range(10):
        camera.record_frame(number, 64, 48)
        clock.now += 0.1
    assert camera.health().interval == 0
    clock.now += 3.0
    assert camera.health().state == "stale"


def test_wait_is_told_until_the_first_frame(clock: Clock) -> None:
    camera = Freshness()
    camera.record_loss("Nobody there.", 1)
    camera.record_wait("Waiting for a keyframe.")
    assert (camera.health().state, camera.health().reason) == (
        "connecting",
        "Waiting for a keyframe.",
    )
    camera.record_frame(1, 64, 48)
    camera.record_wait("Waiting for a keyframe.")
    assert (camera.health().state, camera.health().reason) == ("live", "")
