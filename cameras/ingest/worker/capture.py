"""One source's stream of pictures, from open to loss, and the slot that holds the newest one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cameras.ingest.sources.egress import Egress
from cameras.ingest.sources.explanations import explain
from cameras.ingest.sources.opening import open_egress, resolve
from cameras.ingest.worker.capture_clock import CaptureClock
from cameras.ingest.worker.freshness import STALE_AFTER, Freshness
from cameras.ingest.worker.masks import Masks
from cameras.ingest.worker.opencv import READ_TIMEOUT, open_capture, timed, too_large
from cameras.live.variants import Pace

Image = NDArray[np.uint8]

# With the supervisor's look and the start of another process, this makes ten seconds at most.
OPEN_LIMIT = 8.0  # seconds after which the open is called stuck
FROZEN_LIMIT = 8.0  # after which a grab is called stuck: FFmpeg's own time-out did not end it
LATE = 0.5  # a recording this far behind its pace gives up the lost time instead of bursting
LEAP = 2.0  # seconds between two frames of a recording that are taken for a cut in it
LOOPING = ("file", "demo")


@dataclass(frozen=True, slots=True)
class Picture:
    """A captured picture; `timestamp` is its capture time in unix ms, rising within a `run`.

    It holds BGR pixels [height, width, 3], or the JPEG a device sent. `captured_at` is when it was
    captured or, if a device sent it, when it came to us: seconds of `time.monotonic`.
    """

    timestamp: int
    width: int
    height: int
    image: Image | None = None
    jpeg: bytes | None = None
    run: int = 0
    captured_at: float = field(default_factory=time.monotonic)

    @property
    def order(self) -> tuple[int, int]:
        """Its place among the pictures of this process."""
        return self.run, self.timestamp

    @property
    def monotonic_ms(self) -> int:
        """`captured_at` in whole milliseconds, for whatever measures between pictures."""
        return int(self.captured_at * 1000)

    def pixels(self) -> Image | None:
        """The pixels, decoded from the JPEG where need be; None where it cannot be decoded."""
        if self.image is not None or self.jpeg is None:
            return self.image
        with timed():
            made = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return None if made is None else made.astype(np.uint8, copy=False)


class Slot:
    """Holds one picture; the newest wins. Any number of readers, each with its own position."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._changed = threading.Condition()

    def put(self, picture: Picture) -> None:
        """Replace what is there."""
        with self._changed:
            self._picture = picture
            self._changed.notify_all()

    def newest(self, after: Picture | None = None, timeout: float = 0.0) -> Picture | None:
        """The newest picture if it is not `after`; waits up to `timeout` seconds for another."""
        with self._changed:
            self._changed.wait_for(lambda: self._picture is not after, timeout)
            return None if self._picture is after else self._picture


class Lost(Exception):
    """The source gives no more pictures; the text is a plain sentence."""


class Capture:
    """What one source sends, each time that it is opened.

    Every frame is grabbed and told `freshness`; those that `pace` takes are converted to pixels,
    painted over where `masks` say so, and put into `slot`.
    """

    def __init__(
        self,
        kind: str,
        source: str,
        *,
        media_root: Path,
        allow_loopback: bool,
        listed: frozenset[str],
        masks: Masks,
        slot: Slot,
        freshness: Freshness,
        stop: threading.Event,
    ) -> None:
        self.pace = Pace(1.0)
        self._kind, self._source = kind, source
        self._rule: dict[str, Any] = {"allow_loopback": allow_loopback, "listed": listed}
        self._where = self._rule | {"media_root": media_root}
        self._egress: Egress | None = None
        self._masks, self._slot = masks, slot
        self._freshness, self._stop = freshness, stop
        self._limit: tuple[str, float] | None = None  # a native call and when it counts as stuck
        self._clock = CaptureClock()
        self._due = 0.0  # when the next frame of a file is to be shown, monotonic seconds

    def prepare(self) -> None:
        """Open the proxy or relay for its connections, before the first `run`."""
        self._where["egress"] = self._egress = open_egress(self._kind, **self._rule)

    def hang_up(self) -> None:
        """End what may be left of a connection."""
        if self._egress is not None:
            self._egress.hang_up()

    def close(self) -> None:
        """Close the proxy or relay, after the last `run`."""
        if self._egress is not None:
            self._egress.close()

    def stuck(self) -> str | None:
        """A sentence where native code does not come back; only ending the process helps."""
        limit = self._limit
        if limit is None or time.monotonic() < limit[1]:
            return None
        return limit[0]

    def run(self) -> None:
        """From open to loss. Raises `Lost` or `SourceError`; returns only when stopped."""
        capture = self._open()
        try:
            if self._kind in LOOPING:
                while not self._stop.is_set():
                    self._play(capture)
                    capture = self._reopened(capture)
            if self._egress is not None and self._egress.recorded:
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
        run, timestamp = self._clock.read()
        captured_at = time.monotonic()
        self._freshness.record_frame(timestamp, width, height)
        if self.pace.takes(int(time.monotonic() * 1000)):
            with timed():
                whole, image = capture.retrieve()
            if whole and image is not None:
                self._masks.paint(image)
                height, width = image.shape[:2]
                self._slot.put(
                    Picture(timestamp, width, height, image, run=run, captured_at=captured_at)
                )
        return True

    def _size(self, capture: Any) -> tuple[int, int]:
        """Width and height as announced, before the pixels are made. Raises `Lost`."""
        width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if sentence := too_large(width, height):
            raise Lost(sentence)
        return width, height

    def _why_ended(self, what: str) -> str:
        if self._egress is not None and self._egress.refusal:
            return self._egress.refusal
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
