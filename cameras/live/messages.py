"""Frames and words as WebSocket messages: made once, however many viewers get them. Django-free.

Two formats live here: the seed's JSON, `{frame, timestamp, camera_id, detections?}`, and
`sideline.v1`: uint32 header length, JSON header, JPEG bytes.
"""

from __future__ import annotations

import struct
import time

from pybase64 import b64encode

from cameras.live.frames import Frame, dump

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


def words(value: object) -> Message:
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
