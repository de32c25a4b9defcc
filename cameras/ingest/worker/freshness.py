"""A camera's state: whether its picture is live, stale or offline at this moment."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["connecting", "live", "stale", "offline"]

STALE_AFTER = 3.0  # seconds without a frame, of a camera that sends some each second
OFFLINE_AFTER = 10.0
LONGEST_INTERVAL = 60.0  # seconds between two frames that a camera may take
PATIENCE = 2.0  # of its intervals; a slow camera is stale after more
FPS_WINDOW = 5.0


def now_ms() -> int:
    """Return the current time in unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Health:
    """A camera's state at one moment.

    `since` and `last_frame` are unix ms, `fps` is measured, `reason` is a sentence or empty. The
    size is 0 × 0 until the first frame. `captured` counts frames. `interval` is the time between
    two frames in seconds, of a camera that sends less than one a second; else 0.
    """

    state: State
    since: int
    reason: str
    fps: float
    width: int
    height: int
    last_frame: int | None
    attempt: int
    captured: int = 0
    interval: float = 0.0

    def packet(self) -> dict[str, Any]:
        """Return the header of a state packet."""
        return {"type": "state"} | {name: getattr(self, name) for name in self.__slots__}


class Freshness:
    """Derives the health from recorded frames and losses. Thread-safe.

    Ages use the monotonic clock, so setting the wall clock changes no state. `initial_state` and
    `reason` hold until the first frame; `silence` begins the reason when frames stop coming. Its
    patience follows the camera: one that sends a frame each ten seconds is live between two.
    """

    def __init__(
        self,
        initial_state: State = "connecting",
        reason: str = "",
        silence: str = "No picture",
        attempt: int = 0,
    ) -> None:
        self.attempt = attempt
        self._lock = threading.Lock()
        self._initial_state, self._reason = initial_state, reason
        self._silence = silence
        self._lost = False
        self.notice = ""  # the reason of a live camera: what is unusual about it
        self._arrivals: deque[float] = deque(maxlen=256)  # monotonic seconds
        self._gaps: deque[float] = deque(maxlen=4)  # seconds between the last frames
        self._last: int | None = None
        self._captured = 0
        self._size = (0, 0)
        self._last_state: State = initial_state
        self._since = now_ms()

    @property
    def age(self) -> float | None:
        """Seconds since the last frame, or None before the first."""
        with self._lock:
            return self._age()

    def record_frame(
        self, timestamp: int, width: int, height: int, at: float | None = None
    ) -> None:
        """Record a frame that arrived `at` monotonic seconds, by default now.

        `timestamp` is in unix ms, the size in pixels.
        """
        with self._lock:
            at = time.monotonic() if at is None else at
            if self._arrivals and not self._lost:
                self._gaps.append(min(at - self._arrivals[-1], LONGEST_INTERVAL))
            self._arrivals.append(at)
            self._captured += 1
            self._last, self._size = timestamp, (width, height)
            self._lost, self._reason = False, ""
            self.attempt = 0

    def record_loss(self, reason: str, attempt: int) -> None:
        """Record that the source ended or could not be opened."""
        with self._lock:
            self._lost, self._reason, self.attempt = True, reason, attempt

    @property
    def interval(self) -> float | None:
        """The longest of the last gaps between two frames, in seconds; None before two frames."""
        with self._lock:
            return max(self._gaps, default=None)

    @property
    def slow_interval(self) -> float:
        """`Health.interval` now."""
        with self._lock:
            return self._slow_interval()

    def record_wait(self, reason: str) -> None:
        """Say what a camera that is connected but has shown no picture yet waits for."""
        with self._lock:
            if not self._arrivals:
                self._lost, self._initial_state, self._reason = False, "connecting", reason

    def health(self) -> Health:
        """Return the health now."""
        with self._lock:
            state, reason = self._state()
            if state != self._last_state:
                self._last_state = state
                self._since = self._last if state == "stale" and self._last else now_ms()
            fps = self._fps() if state == "live" else 0.0
            return Health(
                state, self._since, reason, fps, *self._size,
                self._last, self.attempt, self._captured,
                self._slow_interval(),
            )  # fmt: skip

    def _slow_interval(self) -> float:
        longest = max(self._gaps, default=0.0)
        return round(longest, 1) if longest > 1 else 0.0

    def _age(self) -> float | None:
        return time.monotonic() - self._arrivals[-1] if self._arrivals else None

    def _state(self) -> tuple[State, str]:
        age = self._age()
        if age is None or self._last is None:
            return ("offline" if self._lost else self._initial_state), self._reason
        slow = PATIENCE * max(self._gaps, default=0.0)
        if age < max(STALE_AFTER, slow) and not self._lost:
            return "live", self.notice
        # Without a time: pages show it in the camera's time zone, which is not known here.
        reason = self._reason or f"{self._silence} for a while."
        return ("stale" if age < max(OFFLINE_AFTER, 2 * slow) else "offline"), reason

    def _fps(self) -> float:
        """Return frames per second over the last `FPS_WINDOW` seconds."""
        oldest = time.monotonic() - FPS_WINDOW
        recent = [at for at in self._arrivals if at >= oldest]
        if len(recent) < 2 and self._gaps:
            return round(1 / max(1.0, *self._gaps), 1)
        span = recent[-1] - recent[0] if recent else 0.0
        return round(
            (len(recent) - 1) / max(span, 1.0), 1
        )  # at least 1 s: a new connection begins with a burst
