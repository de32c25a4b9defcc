"""A thread that captures a camera, and opens it again after each loss, with back-off."""

from __future__ import annotations

import random
import threading
import time

from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.worker.capture import Capture, Lost
from cameras.ingest.worker.freshness import Freshness, Health
from cameras.ingest.worker.picture import Slot
from cameras.ingest.worker.source import Source

STEADY = 10.0  # seconds of pictures after which a loss counts as the first again


def backoff(attempt: int) -> float:
    """Seconds to wait before that attempt (1 is the first repeat): 1, 2, 4 … 30, ± 20 %."""
    jitter = random.uniform(0.8, 1.2)  # nosec B311  # not a secret
    return float(min(30, 2 ** min(attempt - 1, 5)) * jitter)


class ReconnectingCapture:
    """Runs a `Capture` again and again in a thread; the newest picture is in `slot`.

    `attempt` above 0 waits its back-off before the first open,
    less `waited` seconds that are over already.
    """

    def __init__(self, source: Source, *, attempt: int = 0, waited: float = 0.0) -> None:
        self.slot = Slot()
        self._attempt, self._waited = attempt, waited
        self._freshness = (
            Freshness(attempt=attempt)
            if not attempt
            else Freshness(
                "offline",
                "Reading this camera was interrupted; connecting again.",
                attempt=attempt,
            )
        )
        self._stop = threading.Event()
        self._capture = Capture(source, slot=self.slot, freshness=self._freshness, stop=self._stop)
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def rate(self) -> float:
        """How many frames a second get their pixels."""
        return self._capture.pace.fps

    @rate.setter
    def rate(self, fps: float) -> None:
        self._capture.pace.fps = fps

    def start(self) -> None:
        """Begin capturing."""
        self._thread.start()
        watch = self._capture.watchdog.run
        threading.Thread(target=watch, args=(self._stop,), name="watchdog", daemon=True).start()

    def stop(self, timeout: float = 5.0) -> bool:
        """Ask the thread to end; False where it did not in time."""
        self._stop.set()
        self._capture.hang_up()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def interval(self) -> float:
        """Seconds between two frames, of a camera that sends less than one a second; else 0."""
        return self._freshness.slow_interval

    def health(self) -> Health:
        """What is true now."""
        return self._freshness.health()

    def stuck(self) -> str | None:
        """A sentence where native code does not come back; only ending the process helps."""
        return self._capture.watchdog.stuck()

    def _run(self) -> None:
        try:
            self._keep_going()
        finally:
            self._capture.close()

    def _keep_going(self) -> None:
        while not self._stop.is_set():
            if self._attempt:
                self._stop.wait(max(0.0, backoff(self._attempt) - self._waited))
                self._waited = 0.0
            began = time.monotonic()
            try:
                self._capture.run()
            except (Lost, SourceError) as error:
                steady = self._freshness.attempt == 0 and time.monotonic() - began > STEADY
                self._attempt = 1 if steady else self._attempt + 1
                self._freshness.record_loss(str(error), self._attempt)
            finally:
                self._capture.hang_up()
