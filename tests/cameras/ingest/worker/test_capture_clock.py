"""Capture times while the wall clock is set."""

from __future__ import annotations

import pytest

from cameras.ingest.worker import capture_clock
from cameras.ingest.worker.capture_clock import LATEST_S, ArrivalClock, CaptureClock

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


def late(clock: ArrivalClock, arrival: float, stream_time: float) -> float:
    """How old a picture is that arrives then, in seconds."""
    return round(arrival - clock.captured_at(arrival, stream_time)[0], 2)


def test_pictures_that_were_held_back_are_as_old_as_their_stream_says() -> None:
    clock = ArrivalClock()
    steady = [late(clock, 100 + n / 10, n / 10) for n in range(20)]
    assert max(steady) < 0.05
    # The network stops for a second, and ten pictures arrive at once.
    burst = [late(clock, 103.0, 2 + n / 10) for n in range(10)]
    assert burst[0] == pytest.approx(1.0, abs=0.1)
    assert burst[-1] == pytest.approx(0.1, abs=0.1)
    assert late(clock, 103.1, 3.1) < 0.05


def test_old_pictures_at_the_start_do_not_make_later_ones_late() -> None:
    clock = ArrivalClock()
    assert late(clock, 100.0, 0.0) == 0
    assert [late(clock, 100.0, n / 10) for n in range(30)] == [0] * 30
    assert late(clock, 100.1, 3.0) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("rate", [0.99, 1.01, 0.5, 3.0])
def test_stream_whose_clock_runs_wrong_is_not_late_for_ever(rate: float) -> None:
    clock = ArrivalClock()
    ages = [late(clock, 100 + n / 10, n / 10 * rate) for n in range(3000)]
    assert ages[-1] <= LATEST_S
    assert min(ages) >= 0
    if abs(rate - 1) < 0.02:
        assert max(ages) < 0.05


@pytest.mark.parametrize("jump", [-3600.0, -5.0, 60.0])
def test_stream_time_that_jumps_begins_a_run(jump: float) -> None:
    clock = ArrivalClock()
    assert not any(clock.captured_at(100 + n / 10, n / 10)[1] for n in range(10))
    at, jumped = clock.captured_at(101.0, 1.0 + jump)
    assert jumped
    assert at == 101.0
    assert clock.captured_at(101.1, 1.1 + jump) == (pytest.approx(101.1), False)


def test_pause_of_a_stream_is_no_jump() -> None:
    clock = ArrivalClock()
    clock.captured_at(100.0, 0.0)
    assert clock.captured_at(130.0, 30.0) == (pytest.approx(130.0), False)
