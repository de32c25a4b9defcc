"""Live, stale or offline: what may be said of a camera's picture at this moment."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["connecting", "live", "stale", "offline"]

STALE_AFTER = 3.0  # seconds without a frame
OFFLINE_AFTER = 10.0
FPS_WINDOW = 5.0


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Health:
    """`since` and `last_frame` are unix ms; `fps` is measured; `reason` a sentence or empty.

    The size is 0 × 0 until the first frame. `captured` counts frames.
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

    def packet(self) -> dict[str, Any]:
        """The header of a state packet."""
        return {"type": "state"} | {name: getattr(self, name) for name in self.__slots__}


class Freshness:
    """Told of every frame and every loss; asked for the health. Thread-safe.

    Ages are taken from the monotonic clock, so a corrected wall clock makes nothing live or stale.
    `before` and `reason` hold until the first frame; `silence` begins the sentence after the last.
    """

    def __init__(
        self,
        before: State = "connecting",
        reason: str = "",
        silence: str = "No picture",
        attempt: int = 0,
    ) -> None:
        self.attempt = attempt
        self._lock = threading.Lock()
        self._before, self._reason = before, reason
        self._silence = silence
        self._lost = False
        self._arrivals: deque[float] = deque(maxlen=256)  # newest kept
        self._last: int | None = None
        self._captured = 0
        self._size = (0, 0)
        self._shown: State = before
        self._since = now_ms()

    @property
    def age(self) -> float | None:
        """Seconds since the last frame, or None before the first."""
        with self._lock:
            return self._age()

    def frame(self, timestamp: int, width: int, height: int) -> None:
        """A frame arrived just now."""
        with self._lock:
            self._arrivals.append(time.monotonic())
            self._captured += 1
            self._last, self._size = timestamp, (width, height)
            self._lost, self._reason = False, ""
            self.attempt = 0

    def lost(self, reason: str, attempt: int) -> None:
        """The source ended or could not be opened."""
        with self._lock:
            self._lost, self._reason, self.attempt = True, reason, attempt

    def health(self) -> Health:
        """What is true now."""
        with self._lock:
            state, reason = self._state()
            if state != self._shown:
                self._shown = state
                self._since = self._last if state == "stale" and self._last else now_ms()
            fps = self._fps() if state == "live" else 0.0
            return Health(
                state, self._since, reason, fps, *self._size,
                self._last, self.attempt, self._captured,
            )  # fmt: skip

    def _age(self) -> float | None:
        return time.monotonic() - self._arrivals[-1] if self._arrivals else None

    def _state(self) -> tuple[State, str]:
        age = self._age()
        if age is None or self._last is None:
            return ("offline" if self._lost else self._before), self._reason
        if age < STALE_AFTER and not self._lost:
            return "live", ""
        # Without the time: the viewer is told it in the camera's zone, which is not known here.
        reason = self._reason or f"{self._silence} for a while."
        return ("stale" if age < OFFLINE_AFTER else "offline"), reason

    def _fps(self) -> float:
        """Frames a second over the last `FPS_WINDOW` seconds."""
        oldest = time.monotonic() - FPS_WINDOW
        recent = [at for at in self._arrivals if at >= oldest]
        span = recent[-1] - recent[0] if recent else 0.0
        return round((len(recent) - 1) / max(span, 1.0), 1)  # connecting begins with a burst
