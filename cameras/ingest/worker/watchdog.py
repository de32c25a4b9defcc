"""Limits for waiting on a camera, in native code that nothing in this process can interrupt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

STUCK_AFTER = 2.0  # seconds that a wait may go on after the connection was hung up
LOOK_S = 0.25


class Watchdog:
    """Hangs up when a wait takes too long; if that does not end it, the process has to end.

    The thread that waits calls `expect`, `hang_up` ends its connections. Thread-safe.
    """

    def __init__(self, hang_up: Callable[[], None]) -> None:
        self._hang_up = hang_up
        self._limit: tuple[str, float] | None = None  # a sentence, and when it is due
        self._longer: Callable[[], float] = lambda: 0.0
        self.reason = ""  # the sentence of the wait that was ended, else empty

    def run(self, stop: threading.Event) -> None:
        """Look at the limits until `stop` is set."""
        while not stop.wait(LOOK_S):
            self.look()

    def expect(
        self, sentence: str, seconds: float, longer: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Begin a wait that takes at most `seconds`, in place of the one before.

        `longer` is asked now and then how many more it may take, until it says some.
        """
        self._limit, self._longer = (sentence, time.monotonic() + seconds), longer

    @property
    def expected(self) -> str:
        """The sentence of the wait that goes on now, or the last one that was ended."""
        limit = self._limit
        return self.reason or (limit[0] if limit else "")

    def rest(self) -> None:
        """Nothing is waited for."""
        self._limit = None

    def begin(self) -> None:
        """Forget how the last connection ended."""
        self._limit, self.reason = None, ""

    def look(self) -> None:
        """Hang up where the wait is over its limit."""
        limit = self._limit
        if limit is None or self.reason:
            return
        more = self._longer()
        if more and self._limit is limit:
            self._limit, self._longer = (limit[0], limit[1] + more), lambda: 0.0
        elif self._limit is limit and time.monotonic() > limit[1]:
            self.reason = limit[0]
            self._hang_up()

    def stuck(self) -> str | None:
        """A sentence where hanging up did not help; only ending the process does."""
        limit = self._limit
        if limit is None or time.monotonic() < limit[1] + STUCK_AFTER:
            return None
        return limit[0]
