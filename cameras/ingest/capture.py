"""A camera's pictures, always the newest: `cv2.VideoCapture` in a thread of its own.

The thread never waits for a reader. It opens, grabs, and after a loss opens again for ever; where
it is stuck inside native code nothing in this process can end it, and `stuck()` says so.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from cameras.ingest.addresses import gate_for, resolve
from cameras.ingest.decoding import timed, too_large
from cameras.ingest.diagnosis import explain
from cameras.ingest.egress import Egress
from cameras.ingest.freshness import STALE_AFTER, Freshness, Health, now_ms
from cameras.ingest.masks import Masks
from cameras.ingest.opening import READ_TIMEOUT, open_capture
from cameras.ingest.pictures import Picture, Slot
from cameras.ingest.sources import SourceError
from cameras.live.variants import Pace

# With the supervisor's look and the start of another process, this makes ten seconds at most.
OPEN_LIMIT = 8.0  # seconds after which the open is called stuck
FROZEN_LIMIT = 8.0  # after which a grab is called stuck: FFmpeg's own time-out did not end it
STEADY = 10.0  # seconds of pictures after which a loss counts as the first again
LATE = 0.5  # a recording this far behind its pace gives up the lost time instead of bursting
LEAP = 2.0  # seconds between two frames of a recording that are taken for a cut in it
LOOPING = ("file", "demo")


class Lost(Exception):
    """The source gives no more pictures; the text is a plain sentence."""


def backoff(attempt: int) -> float:
    """Seconds to wait before that attempt (1 is the first repeat): 1, 2, 4 … 30, ± 20 %."""
    jitter = random.uniform(0.8, 1.2)  # nosec B311  # not a secret
    return float(min(30, 2 ** min(attempt - 1, 5)) * jitter)


class Capture:
    """The pictures of one source.

    Every frame is grabbed and counted; only chosen ones are converted to pixels, painted over where
    `masks` say so, and put into `slot`. `attempt` above 0 waits its back-off before the first open,
    less `waited` seconds that are over already.
    """

    def __init__(
        self,
        kind: str,
        source: str,
        *,
        media_root: Path,
        allow_loopback: bool,
        listed: frozenset[str] = frozenset(),
        masks: Masks | None = None,
        attempt: int = 0,
        waited: float = 0.0,
    ) -> None:
        self.slot = Slot()
        self._masks = masks or Masks()
        self._kind, self._source = kind, source
        self._rule: dict[str, Any] = {"allow_loopback": allow_loopback, "listed": listed}
        self._where = self._rule | {"media_root": media_root}
        self._gate: Egress | None = None
        self._attempt, self._waited = attempt, waited
        self._freshness = (
            Freshness(attempt=attempt)
            if not attempt
            else Freshness(
                "offline", "The camera's reader was restarted; connecting again.", attempt=attempt
            )
        )
        self._stop = threading.Event()
        self._limit: tuple[str, float] | None = None  # a native call and when it counts as stuck
        self._pace = Pace(1.0)
        self._last = 0
        self._due = 0.0  # when the next frame of a file is to be shown, monotonic seconds
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def rate(self) -> float:
        """How many frames a second get their pixels."""
        return self._pace.fps

    @rate.setter
    def rate(self, fps: float) -> None:
        self._pace.fps = fps

    def start(self) -> None:
        """Begin capturing."""
        self._where["gate"] = self._gate = gate_for(self._kind, **self._rule)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> bool:
        """Ask the thread to end; False where it did not in time."""
        self._stop.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def health(self) -> Health:
        """What is true now."""
        return self._freshness.health()

    def stuck(self) -> str | None:
        """A sentence where native code does not come back; only ending the process helps."""
        limit = self._limit
        if limit is None or time.monotonic() < limit[1]:
            return None
        return limit[0]

    def _run(self) -> None:
        try:
            self._keep_going()
        finally:
            if self._gate is not None:
                self._gate.close()

    def _keep_going(self) -> None:
        while not self._stop.is_set():
            if self._attempt:
                self._stop.wait(max(0.0, backoff(self._attempt) - self._waited))
                self._waited = 0.0
            began = time.monotonic()
            try:
                self._session()
            except (Lost, SourceError, cv2.error) as error:
                reason = "OpenCV failed." if isinstance(error, cv2.error) else str(error)
                steady = self._freshness.attempt == 0 and time.monotonic() - began > STEADY
                self._attempt = 1 if steady else self._attempt + 1
                self._freshness.lost(reason, self._attempt)
            finally:
                if self._gate is not None:
                    self._gate.hang_up()

    def _session(self) -> None:
        """From open to loss. Raises `Lost` or `SourceError`; returns only when stopped."""
        capture = self._open()
        try:
            if self._kind in LOOPING:
                while not self._stop.is_set():
                    self._play(capture)
                    capture = self._reopened(capture)
            if self._gate is not None and self._gate.recorded:
                self._play(capture)
                if not self._stop.is_set():
                    raise Lost(self._why_ended("recording"))
            while not self._stop.is_set():
                if not self._grab(capture):
                    raise Lost(self._why_ended("stream"))
        finally:
            with self._native("The camera's connection does not close.", 3.0):
                capture.release()

    def _open(self) -> Any:
        opening = resolve(self._kind, self._source, **self._where)
        with self._native("The camera does not open.", OPEN_LIMIT):
            capture = open_capture(opening)
        if not capture.isOpened():
            raise Lost(explain(self._kind, self._source, **self._where))
        try:
            self._size(capture)
        except Lost:
            capture.release()
            raise
        return capture

    def _reopened(self, capture: Any) -> Any:
        """The file from its start. Opening again is exact for every container; seeking is not."""
        capture.release()
        return self._open()

    def _play(self, capture: Any) -> None:
        """One pass of a recording at its own pace, counted from where the last pass ended.

        Each frame waits as long as the frame before it lasted by its own clock: the rate that HLS
        announces is often wrong.
        """
        fps = capture.get(cv2.CAP_PROP_FPS)
        usual = 1 / (fps if 1 <= fps <= 120 else 25.0)
        position, frames = 0.0, 0
        if self._due < time.monotonic() - LATE:
            self._due = time.monotonic()
        while not self._stop.wait(max(0.0, self._due - time.monotonic())):
            if not self._grab(capture):
                if not frames:
                    raise Lost(explain(self._kind, self._source, **self._where))
                return
            before, position = position, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            lasted = position - before
            self._due += lasted if frames and 0 < lasted < LEAP else usual
            frames += 1
            if self._due < time.monotonic() - LATE:
                self._due = time.monotonic()

    def _grab(self, capture: Any) -> bool:
        """Take the next frame, and its pixels if it is one of the chosen. False at the end."""
        began = time.monotonic()
        with self._native("The camera's stream has frozen.", FROZEN_LIMIT):
            if not capture.grab():
                return False
        if time.monotonic() - began > READ_TIMEOUT - 0.1:
            # When FFmpeg's read times out OpenCV hands out what was left in the decoder: old.
            raise Lost("The camera's stream has frozen; connecting again.")
        width, height = self._size(capture)
        timestamp = max(now_ms(), self._last + 1)
        self._last = timestamp
        self._freshness.frame(timestamp, width, height)
        if self._pace.takes(int(time.monotonic() * 1000)):
            with timed():
                whole, image = capture.retrieve()
            if whole and image is not None:
                self._masks.paint(image)
                self.slot.put(Picture(timestamp, image.shape[1], image.shape[0], image))
        return True

    def _size(self, capture: Any) -> tuple[int, int]:
        """Width and height as announced, before the pixels are made. Raises `Lost`."""
        width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if sentence := too_large(width, height):
            raise Lost(sentence)
        return width, height

    def _why_ended(self, what: str) -> str:
        if self._gate is not None and self._gate.refusal:
            return self._gate.refusal
        age = self._freshness.age
        if age is None:
            return explain(self._kind, self._source, **self._where)
        if age >= STALE_AFTER - 0.5:
            return "The camera's stream has frozen; connecting again."
        return f"The camera ended the {what}; connecting again."

    @contextmanager
    def _native(self, sentence: str, seconds: float) -> Iterator[None]:
        self._limit = (sentence, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._limit = None
