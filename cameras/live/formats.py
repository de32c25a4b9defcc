"""The two message formats of a stream's WebSocket, and a viewer class for each. Django-free.

The seed's JSON, `{frame, timestamp, camera_id, detections?}`, and `sideline.v1`: uint32 header
length, JSON header, JPEG bytes. A message is built once, and all viewers of its format share it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from pybase64 import b64encode

from cameras.live.frames import Frame, Status
from cameras.live.hub import Feed, Viewer
from cameras.live.packets import dump
from cameras.live.variants import Variant

TEXT, BINARY = 0x81, 0x82  # first byte of a whole, uncompressed message
MAX_AGE_ERROR_MS = 10  # a message whose `age_ms` is off by more is built again


class Message:
    """One WebSocket message. `framed` has the frame header; servers do not mask: all share it."""

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
        """The message without its frame header, for servers that add their own."""
        return self.framed[self._head :]


def text_message(value: object) -> Message:
    """Return a JSON text message."""
    return Message(TEXT, dump(value))


class PreparedFrame:
    """A frame, with the messages built from it so far.

    Bound: one message per format and name under which the camera is watched. `is_first_round` is
    true while the frame is offered to all viewers for the first time.
    """

    __slots__ = ("_base64", "_seed", "_v1", "frame", "is_first_round")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.is_first_round = True
        self._base64: bytes | None = None
        self._seed: dict[str, Message] = {}
        self._v1: dict[str, tuple[int, Message]] = {}

    def seed(self, name: str) -> Message:
        """The seed's `FrameData`; `name` is the string of the viewer's URL."""
        message = self._seed.get(name)
        if message is None:
            message = self._seed[name] = self._build_seed(name)
        return message

    def _build_seed(self, name: str) -> Message:
        frame = self.frame
        if self._base64 is None:
            self._base64 = b64encode(frame.jpeg)
        fields = b'","timestamp":%d,"camera_id":%b,"run":%d' % (
            frame.timestamp, dump(name), frame.run,
        )  # fmt: skip
        detections = b"" if frame.detections is None else b',"detections":' + dump(frame.detections)
        return Message(TEXT, b'{"frame":"', self._base64, fields, detections, b"}")

    def v1(self, name: str) -> Message:
        """The `sideline.v1` message; its `age_ms` is correct if it is sent now."""
        cached = self._v1.get(name)
        if cached is not None and self.is_first_round:
            return cached[1]
        age = self.frame.age_ms
        if cached is None or age - cached[0] > MAX_AGE_ERROR_MS:
            head = dump(self.frame.header() | {"camera_id": name, "age_ms": age})
            message = Message(BINARY, struct.pack(">I", len(head)), head, self.frame.jpeg)
            cached = self._v1[name] = age, message
        return cached[1]


class MessageWriter(Protocol):
    """The writable end of a WebSocket; implemented in `project/server/writer.py`."""

    @property
    def is_ready(self) -> bool:
        """True if everything written before was sent."""

    def write(self, data: bytes) -> bool:
        """Write a whole message. False, without writing, if not ready."""

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when ready."""

    def read_now(self) -> None:
        """Pass on the messages that the peer has sent so far."""

    def set_auto_read(self, enabled: bool) -> None:
        """Pass on the peer's messages as they arrive; else only on `read_now`, and a few times a
        second."""


class MjpegViewer(Viewer):
    """A viewer of an MJPEG stream: takes the newest frame when the previous one was sent."""

    __slots__ = ()
    kind = "mjpeg"


class SocketViewer(Viewer):
    """A viewer on a WebSocket. `name` is the camera as its URL calls it."""

    __slots__ = ("_writer", "name")

    def __init__(self, feed: Feed, variant: Variant, name: str) -> None:
        super().__init__(feed, variant)
        self.name = name
        self._writer: MessageWriter | None = None

    def next_message(self) -> Message | None:
        """Take the next message to send; None if there is none."""
        raise NotImplementedError

    def receive(self, message: str | bytes) -> bool:
        """Process a message from the client. False if it has no meaning in this format."""
        return False

    def attach(self, writer: MessageWriter) -> None:
        """Send by `writer` from now on, without a task."""
        self._writer = writer
        self.wake()

    def leave(self) -> None:
        self._writer = None
        super().leave()

    def wake(self) -> None:
        """Write what waits, as far as the writer is ready. Without a writer, let `wait` return."""
        writer = self._writer
        if writer is None:
            return super().wake()
        while self._prepared is not None or self._status is not None:
            if not writer.is_ready:
                return writer.call_when_ready(self.wake)
            message = self.next_message()
            if message is None:
                return None
            writer.write(message.framed)
        return None


CREDITS = 2  # frames that a `sideline.v1` viewer may leave unacknowledged
MAX_ACK_LENGTH = 64  # bytes; longer messages are ignored
_ACK = re.compile(rb'\{"ack": ?([0-9]{1,18})\}')


class SeedViewer(SocketViewer):
    """A viewer of the seed's JSON format, which has neither a status nor an age."""

    __slots__ = ()
    kind = "seed"
    shows_age = False

    def next_message(self) -> Message | None:
        self._status = None
        if self._prepared is not None and not self._prepared.frame.is_fresh:
            self.drop_frame()  # it waited too long, or is older than the subscription
        prepared = self._take_prepared()
        return None if prepared is None else prepared.seed(self.name)

    def offer_status(self, status: Status) -> None:
        """Ignore it: the format has no status."""

    def _send_now(self, prepared: PreparedFrame) -> bool:
        writer = self._writer
        return writer is not None and writer.write(prepared.seed(self.name).framed)


class V1Viewer(SocketViewer):
    """A `sideline.v1` viewer. Sends the status first, then how many frames were missed, then the
    newest frame, unless `CREDITS` frames are unacknowledged."""

    __slots__ = ("_is_reading", "_missed_reported", "_unacknowledged")
    kind = "v1"
    acknowledges_frames = True

    def __init__(self, feed: Feed, variant: Variant, name: str) -> None:
        super().__init__(feed, variant, name)
        self._unacknowledged: list[int] = []
        self._missed_reported = 0  # of `missed`
        self._is_reading = False

    def next_message(self) -> Message | None:
        if (status := self.take_status()) is not None:
            return text_message(status.to_message())
        if self._prepared is None or not self._has_credit():
            return None
        if self.missed > self._missed_reported:
            dropped, self._missed_reported = self.missed - self._missed_reported, self.missed
            return text_message({"type": "dropped", "frames": dropped})
        prepared = self._take_prepared()
        assert prepared is not None
        self._unacknowledged.append(prepared.frame.seq)
        return prepared.v1(self.name)

    def _send_now(self, prepared: PreparedFrame) -> bool:
        writer = self._writer
        if writer is None or self._status is not None or self.missed > self._missed_reported:
            return False
        if not self._has_credit() or not writer.write(prepared.v1(self.name).framed):
            return False
        self._unacknowledged.append(prepared.frame.seq)
        return True

    def _has_credit(self) -> bool:
        """True if a frame may be sent. If not, acknowledgements are read as they arrive."""
        self._read_acknowledgements()
        has_credit = len(self._unacknowledged) < CREDITS
        if not has_credit and self._writer is not None:
            self._writer.set_auto_read(True)
        return has_credit

    def collect_acknowledgements(self) -> None:
        self._read_acknowledgements()
        if self._prepared is not None and len(self._unacknowledged) < CREDITS:
            self.wake()

    def _read_acknowledgements(self) -> None:
        """Read them only when needed, several at once: an event for each would cost more."""
        writer = self._writer
        if writer is not None and len(self._unacknowledged) >= CREDITS:
            self._is_reading = True
            writer.read_now()
            self._is_reading = False
            if len(self._unacknowledged) < CREDITS:
                writer.set_auto_read(False)

    def receive(self, message: str | bytes) -> bool:
        """Process an acknowledgement: it covers all frames up to that one."""
        if len(message) > MAX_ACK_LENGTH:
            return False
        seq = _acknowledged_seq(message)
        if seq not in self._unacknowledged:
            return False
        del self._unacknowledged[: self._unacknowledged.index(seq) + 1]
        if not self._is_reading:
            self.wake()
        return True


class GuestViewer(V1Viewer):
    """A viewer by share link or stream key. Its status has no reason and no viewer count.

    Reasons are for members: they may contain an address.
    """

    __slots__ = ()

    def take_status(self) -> Status | None:
        status = super().take_status()
        return None if status is None else replace(status, reason="", viewers=None)


def _acknowledged_seq(message: str | bytes) -> object:
    """The value in `{"ack": seq}`; None for anything else. Has a fast path for the usual form."""
    if isinstance(message, bytes) and (usual := _ACK.fullmatch(message)):
        return int(usual[1])
    try:
        return json.loads(message)["ack"]
    except (ValueError, TypeError, KeyError):
        return None
