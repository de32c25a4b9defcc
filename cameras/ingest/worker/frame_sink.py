"""The way of a decoded frame into the slot: its time, its shape, and whether it is shown."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from fractions import Fraction

from av import VideoFrame

from cameras.ingest.worker.capture_clock import ArrivalClock, CaptureClock
from cameras.ingest.worker.decoding import too_large
from cameras.ingest.worker.demuxer import Frame
from cameras.ingest.worker.freshness import Freshness
from cameras.ingest.worker.picture import Picture, Slot
from cameras.ingest.worker.source import Source
from cameras.ingest.worker.upright import (
    Deinterlacer,
    Turn,
    Turns,
    Unconvertible,
    UprightFrame,
    upright_size,
)
from cameras.live.variants import Pace


@dataclass(frozen=True, slots=True)
class Shot:
    """What is known of a frame before its pixels: `captured_at` is in monotonic seconds.

    `jumped`: its time in the stream has nothing to do with that of the frame before.
    """

    captured_at: float
    turn: Turn = field(default_factory=Turn)
    pixel_aspect: Fraction | None = None
    jumped: bool = False


class FrameSink:
    """Tells every frame to `freshness`, and puts those that `pace` takes into `slot`.

    Masks are painted over the pixels. One thread; raises `Unconvertible` for frames that cannot be
    shown.
    """

    def __init__(self, source: Source, slot: Slot, freshness: Freshness) -> None:
        self.pace = Pace(1.0)
        self._source, self._slot, self._freshness = source, slot, freshness
        self._clock = CaptureClock()
        self._proven: set[tuple[int, int, str]] = set()  # layouts that could be converted
        self.begin()

    def begin(self) -> None:
        """Begin a connection: what is known of the former stream does not hold."""
        self._arrivals, self._turns = ArrivalClock(), Turns()
        self._deinterlacer = Deinterlacer()

    def takes(self) -> bool:
        """Whether the frame that came now is one of the chosen. Called once for each."""
        return self.pace.takes(int(time.monotonic() * 1000))

    def show(self, frame: Frame, arrival: float, stream_time: float | None) -> None:
        """A frame of a video; `stream_time` is None where that tells nothing."""
        if sentence := too_large(frame.image.width, frame.image.height):
            raise Unconvertible(sentence)
        at, jumped = self._arrivals.captured_at(arrival, stream_time)
        shot = Shot(at, self._turns.of(frame.image), frame.pixel_aspect, jumped)
        for made, its in self._deinterlacer.feed(frame.image, shot):
            self.put(made, its, chosen=self.takes())

    def put(self, frame: VideoFrame, shot: Shot, *, chosen: bool = True) -> None:
        """A progressive frame."""
        source = self._source
        upright = UprightFrame(frame, shot.turn, source.masks, shot.pixel_aspect, source.aspect)
        size = upright.width, upright.height
        self._prove(frame, upright)
        run, timestamp = self._note(size, shot)
        if chosen:
            self._slot.put(
                Picture(timestamp, *size, run=run, captured_at=shot.captured_at, frame=upright)
            )

    def pass_over(self, size: tuple[int, int], turn: Turn) -> None:
        """A picture that came now and is not decoded: its width and height, and its turn."""
        shot = Shot(time.monotonic(), turn)
        self._note(upright_size(*size, turn, None, self._source.aspect), shot)

    def _note(self, size: tuple[int, int], shot: Shot) -> tuple[int, int]:
        run, timestamp = self._clock.read(shot.captured_at, jumped=shot.jumped)
        self._freshness.record_frame(timestamp, *size, shot.captured_at)
        return run, timestamp

    def _prove(self, made: VideoFrame, upright: UprightFrame) -> None:
        """Convert the first frame of each layout at once: a failure ends the run, not a viewer's
        picture."""
        layout = made.width, made.height, made.format.name
        if layout not in self._proven:
            if sentence := too_large(upright.width, upright.height):
                raise Unconvertible(sentence)
            upright.pixels()
            self._proven.add(layout)
