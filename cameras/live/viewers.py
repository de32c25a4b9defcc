"""One viewer's slot, and what each kind of viewer is told next. Django-free.

A viewer either waits for news and takes it (`wait`, `take_frame`, `next`), or is attached to a
wire and is written to whenever there is news and room.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from cameras.live.frames import Frame
from cameras.live.messages import Message, PreparedFrame, words
from cameras.live.status import Status
from cameras.live.variants import Pace, Variant

if TYPE_CHECKING:
    from cameras.live.hub import Feed

CREDITS = 2  # frames that a `sideline.v1` viewer may leave unacknowledged
ACK_LENGTH = 64  # longer messages are no acknowledgement and are not looked at
_ACK = re.compile(rb'\{"ack": ?([0-9]{1,18})\}')


class Wire(Protocol):
    """The writable end of a connection; see `project/wire.py`."""

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
        if self._pace is not None and not self._pace.takes(prepared.frame.timestamp):
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


class SeedViewer(SocketViewer):
    """Gets the seed's JSON; knows no status."""

    __slots__ = ()
    kind = "seed"

    def next(self) -> Message | None:
        self._status = None
        prepared = self._take()
        return None if prepared is None else prepared.seed(self.name)

    def tell(self, status: Status) -> None:
        """Nothing."""

    def _goes_out(self, prepared: PreparedFrame) -> bool:
        wire = self._wire
        return wire is not None and wire.write(prepared.seed(self.name).framed)


class V1Viewer(SocketViewer):
    """Speaks `sideline.v1`: status first, then what was missed, then the newest frame on credit."""

    __slots__ = ("_asking", "_told", "_unacknowledged")
    kind = "v1"
    on_credit = True

    def __init__(self, feed: Feed, variant: Variant, name: str) -> None:
        super().__init__(feed, variant, name)
        self._unacknowledged: list[int] = []
        self._told = 0  # of `missed`
        self._asking = False

    def next(self) -> Message | None:
        if (status := self.take_status()) is not None:
            return words(status.wire())
        if self._prepared is None or not self._has_credit():
            return None
        if self.missed > self._told:
            unsaid, self._told = self.missed - self._told, self.missed
            return words({"type": "dropped", "frames": unsaid})
        prepared = self._take()
        assert prepared is not None
        self._unacknowledged.append(prepared.frame.seq)
        return prepared.v1(self.name)

    def _goes_out(self, prepared: PreparedFrame) -> bool:
        wire = self._wire
        if wire is None or self._status is not None or self.missed > self._told:
            return False
        if not self._has_credit() or not wire.write(prepared.v1(self.name).framed):
            return False
        self._unacknowledged.append(prepared.frame.seq)
        return True

    def _has_credit(self) -> bool:
        """Without credit, what the viewer says is handed on as it comes from now on."""
        self.collect()
        has = len(self._unacknowledged) < CREDITS
        if not has and self._wire is not None:
            self._wire.read_at_once(True)
        return has

    def collect(self) -> None:
        """On a wire, acknowledgements are read when they are needed: that is many at once."""
        wire = self._wire
        if wire is not None and len(self._unacknowledged) >= CREDITS:
            self._asking = True
            wire.read_now()
            self._asking = False
            if len(self._unacknowledged) < CREDITS:
                wire.read_at_once(False)

    def hear(self, message: str | bytes) -> bool:
        """An acknowledgement gives credit back, for all frames up to that one."""
        if len(message) > ACK_LENGTH:
            return False
        seq = _acknowledged(message)
        if seq not in self._unacknowledged:
            return False
        del self._unacknowledged[: self._unacknowledged.index(seq) + 1]
        if not self._asking:
            self.wake()
        return True


def _acknowledged(message: str | bytes) -> object:
    """What `{"ack": seq}` acknowledges; None for anything else. The usual spelling is read fast."""
    if isinstance(message, bytes) and (usual := _ACK.fullmatch(message)):
        return int(usual[1])
    try:
        return json.loads(message)["ack"]
    except (ValueError, TypeError, KeyError):
        return None
