"""The two formats of a stream's WebSocket, and what a viewer in each is told next. Django-free.

The seed's JSON, `{frame, timestamp, camera_id, detections?}`, and `sideline.v1`: uint32 header
length, JSON header, JPEG bytes. A message is made once, however many viewers get it.
"""

from __future__ import annotations

import json
import re
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from pybase64 import b64encode

from cameras.live.frames import Frame, Status
from cameras.live.hub import Feed, Viewer
from cameras.live.packets import dump
from cameras.live.variants import Variant

TEXT, BINARY = 0x81, 0x82  # first byte of a whole, uncompressed message
FRESH_S = 3.0  # an older picture is not shown as live
AGED_MS = 10  # a header whose `age_ms` is off by more is made anew


class Message:
    """One message. `framed` is what goes over the wire: a server does not mask, so all share it."""

    __slots__ = ("_head", "framed", "is_text")

    def __init__(self, kind: int, *parts: bytes) -> None:
        length = sum(map(len, parts))
        if length < 126:
            head = struct.pack(">BB", kind, length)
        elif length < 65_536:
            head = struct.pack(">BBH", kind, 126, length)
        else:
            head = struct.pack(">BBQ", kind, 127, length)
        self.framed = b"".join((head, *parts))
        self.is_text = kind == TEXT
        self._head = len(head)

    @property
    def payload(self) -> bytes:
        """The message without its WebSocket frame, for servers that make that themselves."""
        return self.framed[self._head :]


def text_message(value: object) -> Message:
    """A JSON text message."""
    return Message(TEXT, dump(value))


class PreparedFrame:
    """A frame on its way to viewers, with the messages made of it so far.

    Bound: a message for each format and name under which the camera is watched. `going_out` is
    true while the frame is handed to all viewers for the first time.
    """

    __slots__ = ("_base64", "_seed", "_since", "_v1", "frame", "going_out")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.going_out = True
        self._since = time.monotonic() - self.age_ms() / 1000
        self._base64: bytes | None = None
        self._seed: dict[str, Message] = {}
        self._v1: dict[str, tuple[int, Message]] = {}

    def age_ms(self) -> int:
        """By our clock, now."""
        return self.frame.age_ms(time.time_ns() // 1_000_000)

    @property
    def is_fresh(self) -> bool:
        """Whether it may be shown as live. However old it was when it came here, it ages on."""
        return time.monotonic() - self._since <= FRESH_S

    def seed(self, name: str) -> Message:
        """The seed's `FrameData`; `name` is the string of the viewer's URL."""
        message = self._seed.get(name)
        if message is None:
            message = self._seed[name] = self._made_seed(name)
        return message

    def _made_seed(self, name: str) -> Message:
        frame = self.frame
        if self._base64 is None:
            self._base64 = b64encode(frame.jpeg)
        facts = b'","timestamp":%d,"camera_id":%b' % (frame.timestamp, dump(name))
        found = b"" if frame.detections is None else b',"detections":' + dump(frame.detections)
        return Message(TEXT, b'{"frame":"', self._base64, facts, found, b"}")

    def v1(self, name: str) -> Message:
        """The `sideline.v1` message; its age is true for whoever is sent it now."""
        made = self._v1.get(name)
        if made is not None and self.going_out:
            return made[1]
        age = self.age_ms()
        if made is None or age - made[0] > AGED_MS:
            head = dump(self.frame.header() | {"camera_id": name, "age_ms": age})
            message = Message(BINARY, struct.pack(">I", len(head)), head, self.frame.jpeg)
            made = self._v1[name] = age, message
        return made[1]


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


CREDITS = 2  # frames that a `sideline.v1` viewer may leave unacknowledged
ACK_LENGTH = 64  # longer messages are no acknowledgement and are not looked at
_ACK = re.compile(rb'\{"ack": ?([0-9]{1,18})\}')


class SeedViewer(SocketViewer):
    """Gets the seed's JSON, which knows no status and has no word for stale."""

    __slots__ = ()
    kind = "seed"
    says_age = False

    def next(self) -> Message | None:
        self._status = None
        if self._prepared is not None and not self._prepared.is_fresh:
            self.forget()  # it waited too long, or came before the viewer did
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
            return text_message(status.wire())
        if self._prepared is None or not self._has_credit():
            return None
        if self.missed > self._told:
            unsaid, self._told = self.missed - self._told, self.missed
            return text_message({"type": "dropped", "frames": unsaid})
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
        self._ask()
        has = len(self._unacknowledged) < CREDITS
        if not has and self._wire is not None:
            self._wire.read_at_once(True)
        return has

    def collect(self) -> None:
        self._ask()
        if self._prepared is not None and len(self._unacknowledged) < CREDITS:
            self.wake()

    def _ask(self) -> None:
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


class GuestViewer(V1Viewer):
    """Who has opened a share link or brings a stream key: told how the camera does, but not why,
    nor how many watch.

    Reasons are for those who look after it: they may name an address.
    """

    __slots__ = ()

    def take_status(self) -> Status | None:
        status = super().take_status()
        return None if status is None else replace(status, reason="", viewers=None)


def _acknowledged(message: str | bytes) -> object:
    """What `{"ack": seq}` acknowledges; None for anything else. The usual spelling is read fast."""
    if isinstance(message, bytes) and (usual := _ACK.fullmatch(message)):
        return int(usual[1])
    try:
        return json.loads(message)["ack"]
    except (ValueError, TypeError, KeyError):
        return None
