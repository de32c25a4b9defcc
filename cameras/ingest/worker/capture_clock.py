"""The times of captured pictures, also where somebody sets the clock."""

from __future__ import annotations

import time

STEP_MS = 1000  # a clock that moves by more against the monotonic one was set


class CaptureClock:
    """Gives each picture its capture time, strictly increasing within a run.

    A clock that was set begins a new run, whose times are those of the corrected clock at once.
    Small corrections begin none: after one, times may be ahead by up to `STEP_MS`.
    """

    def __init__(self) -> None:
        self._run = 0
        self._last = 0
        self._offset: int | None = None  # of the wall clock to the monotonic one

    def read(self) -> tuple[int, int]:
        """Return the run, counted from 0, and the time now in unix ms."""
        now = time.time_ns() // 1_000_000
        offset = now - time.monotonic_ns() // 1_000_000
        was_set = self._offset is not None and abs(offset - self._offset) > STEP_MS
        if was_set or self._last - now > STEP_MS:
            self._run, self._last = self._run + 1, 0
        self._offset = offset
        self._last = max(now, self._last + 1)
        return self._run, self._last
