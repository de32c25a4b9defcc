"""One viewer's slot. Django-free; what a socket's viewer is told is in dialects.py.

A viewer either waits for news and takes it (`wait`, `take_frame`, `next`), or is attached to a
wire and is written to whenever there is news and room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cameras.live.frames import Frame
from cameras.live.messages import Message, PreparedFrame
from cameras.live.status import Status
from cameras.live.variants import Pace, Variant

if TYPE_CHECKING:
    from cameras.live.feeds import Feed


class Wire(Protocol):
    """The writable end of a connection; see `project/server/writer.py`."""

    @property
    def ready(self) -> bool:
        """Whether everything before was taken, so that `write` takes more."""

    def write(self, data: bytes) -> bool:
        """Take a whole message; False, and nothing is taken, where it is not ready."""

    def call_when_ready(self, call: Callable[[], None]) -> None:
        """Call once, when it has become ready."""

    def read_now(self) -> None:
        """Hand on what the peer has said so far."""

    def read_at_once(self, wanted: bool) -> None:
        """Whether what the peer says is to be handed on as it comes; else now and then."""


class Viewer:
    """One slot in a feed. Bound: the newest frame and the newest status, newest wins.

    `delivered` and `missed` count frames.
    """

    # Slots: what is looked at for each of many viewers is what a frame costs.
    __slots__ = (
        "_feed", "_news", "_pace", "_prepared", "_status", "delivered", "fps", "missed",
    )  # fmt: skip
    kind = "snapshot"
    on_credit = False  # whether it acknowledges frames
    says_age = True  # whether who takes its pictures learns how old they are

    def __init__(self, feed: Feed, variant: Variant) -> None:
        self.fps = variant.fps
        self.delivered = self.missed = 0
        self._feed = feed
        self._pace = Pace(variant.fps) if variant.fps else None
        self._prepared: PreparedFrame | None = feed.prepared
        self._status: Status | None = feed.status
        self._news = asyncio.Event()
        self._news.set()

    def offer(self, prepared: PreparedFrame) -> bool:
        """Take a frame, over one that was not taken. True where it went out at once."""
        if self._pace is not None and not self._pace.takes(int(time.monotonic() * 1000)):
            return False
        if self._prepared is None and self._goes_out(prepared):
            self.delivered += 1
            return True
        self.missed += self._prepared is not None
        self._prepared = prepared
        self.wake()
        return False

    def _goes_out(self, prepared: PreparedFrame) -> bool:
        """Send it at once if that can be done; where it cannot, it waits in the slot."""
        return False

    def tell(self, status: Status) -> None:
        """Put into the slot, over a status that was not taken."""
        self._status = status
        self.wake()

    def wake(self) -> None:
        """Let `wait` return."""
        self._news.set()

    def forget(self) -> None:
        """Drop the frame that was not taken."""
        self._prepared = None

    async def wait(self) -> None:
        """Until something was offered, or `wake` was called, since the last `wait`."""
        await self._news.wait()
        self._news.clear()

    def take_status(self) -> Status | None:
        """The newest status not yet taken."""
        status, self._status = self._status, None
        return status

    def take_frame(self) -> Frame | None:
        """The newest frame not yet taken."""
        prepared = self._take()
        return None if prepared is None else prepared.frame

    async def next_frame(self) -> Frame:
        """Wait for a frame; statuses are passed over."""
        while (frame := self.take_frame()) is None:
            await self.wait()
        return frame

    def _take(self) -> PreparedFrame | None:
        prepared = self._prepared
        if prepared is not None:
            self._prepared = None
            self.delivered += 1
            self._feed.tally.aged(prepared.age_ms())
        return prepared

    def collect(self) -> None:
        """A moment after a frame went to all: get ready for the next."""

    def leave(self) -> None:
        """Give up the slot."""
        self._feed.leave(self)


class PartsViewer(Viewer):
    """Takes a picture whenever the one before was sent: an MJPEG stream."""

    __slots__ = ()
    kind = "mjpeg"


class SocketViewer(Viewer):
    """A viewer on a WebSocket. `name` is the camera as its URL calls it."""

    __slots__ = ("_wire", "name")

    def __init__(self, feed: Feed, variant: Variant, name: str) -> None:
        super().__init__(feed, variant)
        self.name = name
        self._wire: Wire | None = None

    def next(self) -> Message | None:
        """What to tell it now; None for nothing."""
        raise NotImplementedError

    def hear(self, message: str | bytes) -> bool:
        """What the viewer says; False where it means nothing in this format."""
        return False

    def attach(self, wire: Wire) -> None:
        """From now on, write to the wire whenever there is news and room."""
        self._wire = wire
        self.wake()

    def leave(self) -> None:
        self._wire = None
        super().leave()

    def wake(self) -> None:
        """Say what there is to say: to the wire as far as it takes it, or let `wait` return."""
        wire = self._wire
        if wire is None:
            return super().wake()
        while self._prepared is not None or self._status is not None:
            if not wire.ready:
                return wire.call_when_ready(self.wake)
            message = self.next()
            if message is None:
                return None
            wire.write(message.framed)
        return None
