"""The times of captured pictures: when each was captured, also where somebody sets a clock."""

from __future__ import annotations

import time

STEP_MS = 1000  # a wall clock that moves by more against the monotonic one was set
JUMP_S = 3.0  # a stream's time that moves so much against its arrival jumped
DRIFT = 0.02  # of a camera's clock against ours
LATEST_S = 10.0  # a picture later than this is not late: its camera's clock runs slow


class ArrivalClock:
    """Tells when a picture was captured, from its arrival and its time in the stream.

    Pictures that a network held back arrive at once, but their stream times say how old each is.
    The picture with the shortest way counts as fresh; from then on lateness is measured against it.
    Clocks drift, so what was the shortest way is forgotten by `DRIFT` of the time that passes. Not
    thread-safe.
    """

    def __init__(self) -> None:
        self._offset: float | None = None  # of arrivals to the stream's time, on the shortest way
        self._last: tuple[float, float] | None = None  # arrival and stream time of the last one

    def captured_at(self, arrival: float, stream_time: float | None) -> tuple[float, bool]:
        """When it was captured, and whether the stream's time jumped. Monotonic seconds."""
        if stream_time is None:
            return arrival, False
        jumped = False
        if self._last is not None:
            arrived, passed = arrival - self._last[0], stream_time - self._last[1]
            jumped = passed <= -JUMP_S or passed - arrived > JUMP_S
            if self._offset is not None:
                self._offset += DRIFT * max(0.0, arrived)
        self._last = arrival, stream_time
        offset = arrival - stream_time
        late = jumped or self._offset is None or offset - self._offset > LATEST_S
        self._offset = offset if late or self._offset is None else min(self._offset, offset)
        return stream_time + self._offset, jumped


class CaptureClock:
    """Gives each picture its capture time, strictly increasing within a run.

    A clock that was set, or a stream's time that jumped, begins a new run; after a clock was set
    its times are those of the corrected clock at once. Small corrections begin none: after one,
    times may be ahead by up to `STEP_MS`.
    """

    def __init__(self) -> None:
        self._run = 0
        self._last = 0
        self._offset: int | None = None  # of the wall clock to the monotonic one

    def read(self, captured_at: float | None = None, *, jumped: bool = False) -> tuple[int, int]:
        """Return the run, counted from 0, and the capture time in unix ms.

        `captured_at` is in monotonic seconds, by default now.
        """
        now = time.time_ns() // 1_000_000
        monotonic = time.monotonic_ns() // 1_000_000
        offset = now - monotonic
        was_set = self._offset is not None and abs(offset - self._offset) > STEP_MS
        age = 0 if captured_at is None else max(0, monotonic - int(captured_at * 1000))
        if jumped or was_set or self._last - now > STEP_MS:
            self._run, self._last = self._run + 1, 0
        self._offset = offset
        self._last = max(now - age, self._last + 1)
        return self._run, self._last
