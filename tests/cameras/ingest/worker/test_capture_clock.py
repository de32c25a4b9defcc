"""Capture times while the wall clock is set."""

from __future__ import annotations

import pytest

from cameras.ingest.worker import capture_clock
from cameras.ingest.worker.capture_clock import CaptureClock

NOON = 1_800_000_000_000
HOUR = 3_600_000


class Clocks:
    """A wall clock and a monotonic one, both in ms, in the place of the module `time`."""

    def __init__(self, wall: int) -> None:
        self.wall, self.monotonic = wall, 5000

    def time_ns(self) -> int:
        return self.wall * 1_000_000

    def monotonic_ns(self) -> int:
        return self.monotonic * 1_000_000

    def pass_ms(self, ms: int, step: int = 0) -> None:
        """Let time pass, and set the wall clock by `step`."""
        self.wall += ms + step
        self.monotonic += ms


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks(NOON)
    monkeypatch.setattr(capture_clock, "time", clocks)
    return clocks


@pytest.mark.parametrize("step", [HOUR, -HOUR, 1500, -1500])
def test_clock_that_is_set_begins_a_run_with_its_new_time(clocks: Clocks, step: int) -> None:
    clock = CaptureClock()
    assert clock.read() == (0, NOON)
    clocks.pass_ms(40)
    assert clock.read() == (0, NOON + 40)
    clocks.pass_ms(40, step)
    assert clock.read() == (1, NOON + 80 + step)
    clocks.pass_ms(40)
    assert clock.read() == (1, NOON + 120 + step)


def test_small_correction_begins_no_run_and_times_rise(clocks: Clocks) -> None:
    clock = CaptureClock()
    times = [clock.read()]
    clocks.pass_ms(40, -500)
    for _ in range(20):
        times.append(clock.read())
        clocks.pass_ms(40)
    assert {run for run, _ in times} == {0}
    assert times == sorted(set(times))
    assert times[-1] == (0, clocks.wall - 40), "it has caught up"


def test_many_small_corrections_are_not_dragged_along(clocks: Clocks) -> None:
    clock = CaptureClock()
    for _ in range(50):
        _, last = clock.read()
        clocks.pass_ms(1, -400)
        assert last - clocks.wall < 2000


def test_pause_of_the_process_is_no_step(clocks: Clocks) -> None:
    clock = CaptureClock()
    clock.read()
    clocks.pass_ms(HOUR)
    assert clock.read() == (0, NOON + HOUR)
