"""Ages of packets of this host and of another one, whose clocks say what they like."""

from __future__ import annotations

import pytest

from cameras.live import ages
from cameras.live.ages import DRIFT, MAX_CLOCKS, WINDOW_S, Ages, stamp

DAY_S = 86_400.0


class Clock:
    """The monotonic clock of this process."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ages, "time", clock)
    return clock


class OtherHost:
    """Receives from a host whose monotonic clock is 5,000 s ahead, or runs at another rate."""

    def __init__(self, clock: Clock, rate: float = 1.0) -> None:
        self._clock, self._ages, self._rate = clock, Ages(), rate

    def age(self, *, late_s: float = 0.0, age_ms: int = 0) -> float:
        """The age (s) of a packet that arrives now, sent `late_s` ago with this age."""
        sent = (self._clock.now - late_s) * self._rate + 5000
        header = {"clock": "other", "sent_at": int(sent * 1000), "age_ms": age_ms}
        return self._clock.now - self._ages.captured_at(header)


def test_packet_of_this_host_has_its_exact_age(clock: Clock) -> None:
    header = stamp(captured_at=clock.now - 0.25)
    clock.now += 8
    assert clock.now - Ages().captured_at(header) == pytest.approx(8.25)


def test_packet_of_this_host_is_never_from_the_future(clock: Clock) -> None:
    assert Ages().captured_at(stamp(captured_at=clock.now + 9)) == pytest.approx(clock.now)


def test_packet_of_another_host_has_the_age_that_it_reports(clock: Clock) -> None:
    assert OtherHost(clock).age(age_ms=120) == pytest.approx(0.12)


def test_packet_of_another_host_that_waited_is_older(clock: Clock) -> None:
    """As after a stop of this process, of any length: what waited longest arrives first."""
    for stopped in (8.0, 600.0):
        host = OtherHost(clock)
        host.age(late_s=0.004)
        clock.now += stopped
        for late in (stopped, stopped / 2):
            assert host.age(late_s=late, age_ms=100) == pytest.approx(late, rel=0.01, abs=0.15)
        assert host.age(age_ms=100) == pytest.approx(0.1)


def test_quicker_packet_corrects_what_was_judged_too_young(clock: Clock) -> None:
    host = OtherHost(clock)
    assert host.age(late_s=2.0) == 0, "nothing to compare it with"
    assert host.age() == 0
    assert host.age(late_s=2.0) == pytest.approx(2.0)


@pytest.mark.parametrize("rate", [1 - DRIFT / 2, 1 + DRIFT / 2])
def test_clock_that_runs_at_another_rate_makes_no_picture_old(clock: Clock, rate: float) -> None:
    host = OtherHost(clock, rate)
    for pause in [1.0] * 2000 + [DAY_S, 1.0, WINDOW_S + 1, DAY_S, 0.1]:
        clock.now += pause
        assert host.age() < 0.5


def test_host_that_was_paused_is_believed_again(clock: Clock) -> None:
    """Its monotonic clock stood still meanwhile, as that of a virtual machine does."""
    host = OtherHost(clock)
    host.age()
    ages_s = []
    for _ in range(int(2 * WINDOW_S) + 3):
        clock.now += 1
        ages_s.append(host.age(late_s=30))
    assert ages_s[0] > 29
    assert ages_s[-1] < 1


def test_packet_of_an_older_version_is_as_old_as_its_arrival(clock: Clock) -> None:
    for header in ({}, {"clock": 7, "sent_at": 1, "age_ms": 1}, {"clock": "x", "sent_at": None}):
        assert Ages().captured_at(header) == clock.now


def test_number_of_remembered_hosts_is_bounded(clock: Clock) -> None:
    every = Ages()
    for number in range(MAX_CLOCKS + 5):
        every.captured_at({"clock": str(number), "sent_at": 1, "age_ms": 0})
    assert len(every._baselines) == MAX_CLOCKS
