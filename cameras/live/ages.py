"""How old a picture is, across processes and hosts, by monotonic clocks alone. Django-free.

A wall clock may be wrong, and two of them differ. So a packet says how old its picture was when it
was sent (`age_ms`), and when that was (`sent_at`, ms) on which monotonic clock (`clock`). All
processes of a host share one clock: there the receiver knows exactly how long the packet was on its
way. The packets of another host are compared with each other: the quickest of the last minutes
took no time, and a packet that waited while this process was stopped took longer than that.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WINDOW_S = 120.0  # a delay that lasts for two windows is the difference of two clocks, not a queue
DRIFT = 0.001  # more than two clocks differ in rate
MAX_CLOCKS = 256  # other hosts; the one that was silent for longest is forgotten


def _clock_id() -> str:
    """Name this process's monotonic clock: that of the booted kernel, in its time namespace."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            name = file.read() + os.readlink("/proc/self/ns/time")
    except OSError:
        return uuid.uuid4().hex[:16]
    return hashlib.sha256(name.encode()).hexdigest()[:16]


CLOCK = _clock_id()


def stamp(captured_at: float | None = None) -> dict[str, Any]:
    """The fields of a packet that is sent now; its picture was captured at `captured_at`.

    `captured_at` is in seconds of `time.monotonic`; None is now.
    """
    now = time.monotonic()
    age = 0.0 if captured_at is None else max(0.0, now - captured_at)
    return {"clock": CLOCK, "sent_at": int(now * 1000), "age_ms": int(age * 1000)}


@dataclass(slots=True)
class _Baseline:
    """The least differences (s) between our clock and another: of this and of the last window."""

    previous: float
    current: float
    began: float  # of the current window

    def excess(self, difference: float, now: float) -> float:
        """Seconds that this difference is above the least one."""
        if now - self.began > WINDOW_S:
            self.previous = self.current + DRIFT * (now - self.began)
            self.current, self.began = difference, now
        self.current = min(self.current, difference)
        return difference - min(self.previous, self.current)


class Ages:
    """The ages of what this process receives. Bound: two numbers for each of `MAX_CLOCKS` hosts."""

    def __init__(self) -> None:
        self._baselines: dict[str, _Baseline] = {}

    def captured_at(self, header: Mapping[str, Any]) -> float:
        """When the picture of a packet that arrives now was captured, by `time.monotonic`.

        That is now for a packet without the fields: an older version sent it.
        """
        now = time.monotonic()
        clock, sent_at = header.get("clock"), header.get("sent_at")
        if not isinstance(clock, str) or not isinstance(sent_at, int):
            return now
        age = float(header["age_ms"]) / 1000
        return now - self._transit(clock, sent_at / 1000, now) - age

    def _transit(self, clock: str, sent_at: float, now: float) -> float:
        """Seconds that a packet was on its way; for another host, beyond its quickest one."""
        difference = now - sent_at
        if clock == CLOCK:
            return max(0.0, difference)
        baseline = self._baselines.pop(clock, None) or _Baseline(difference, difference, now)
        if len(self._baselines) == MAX_CLOCKS:
            del self._baselines[next(iter(self._baselines))]
        self._baselines[clock] = baseline
        return baseline.excess(difference, now)
