"""The bytes of pushed frames, from `/ws/publish/` and `actions/send`. `frame_acceptor.py` goes on.

Two formats: the seed's JSON with a base64 `frame`, and `sideline.v1` as viewers get it. Parsing
runs on the event loop: it holds the GIL throughout (10 ms for 8 MiB), so a thread would block the
loop for just as long.
"""

from __future__ import annotations

import json
import re
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pybase64 import b64decode

from cameras.live.jpeg import FrameError, jpeg_size, without_metadata

MAX_CLOCK_ERROR_MS = 60_000
MAX_FIELDS_BYTES = 64 * 1024  # of JSON without the picture: bounds the parser's work
_MAX_NUMBER = 10**15
_FRAME = re.compile(rb'"frame"\s*:\s*"')
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class PushedFrame:
    """A valid frame: `timestamp` in unix ms, and a JPEG within the limits, without metadata."""

    timestamp: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed message whose values are not validated yet.

    `jpeg` is None if the picture is in `fields["frame"]`, as base64.
    """

    fields: Mapping[str, Any]
    jpeg: bytes | None = None

    @property
    def ack(self) -> int | None:
        """The number that an acknowledgement names: `seq`, or else the timestamp; or None."""
        seq = self.fields.get("seq")
        return _to_int(self.fields.get("timestamp") if _to_int(seq) is None else seq)

    def validate(self) -> PushedFrame:
        """Return the frame. Raises `FrameError`, which names the field."""
        timestamp = _validate_timestamp(self.fields.get("timestamp"))
        jpeg = _decode_base64(self.fields.get("frame")) if self.jpeg is None else self.jpeg
        jpeg_size(jpeg)
        return PushedFrame(timestamp, without_metadata(jpeg))


def parse_seed(message: bytes) -> Envelope:
    """Parse the seed's JSON. Raises `FrameError("body", ...)`."""
    return Envelope(parse_body(message))


def parse_v1(message: bytes) -> Envelope:
    """Parse uint32 header length, JSON header, JPEG. Raises `FrameError("header", ...)`."""
    length = _LENGTH.unpack_from(message)[0] if len(message) >= _LENGTH.size else 0
    start = _LENGTH.size + length
    if not 0 < length <= MAX_FIELDS_BYTES or start > len(message):
        raise FrameError("header", "The message does not begin with a length and a JSON header.")
    return Envelope(_parse_object(message[_LENGTH.size : start], "header"), message[start:])


def parse_body(text: bytes) -> dict[str, Any]:
    """Parse a JSON object with a long `frame` and little else. Raises `FrameError`.

    The picture is cut out first: that takes a twentieth of the time that the JSON parser needs.
    """
    if len(text) <= MAX_FIELDS_BYTES:
        return _parse_object(text, "body")
    found = _FRAME.search(text, 0, MAX_FIELDS_BYTES)
    start = found.end() if found else 0
    end = text.find(b'"', start)
    if end < 0 or len(text) - (end - start) > MAX_FIELDS_BYTES:
        raise FrameError("body", "The body is larger than a JSON object with one frame may be.")
    fields = _parse_object(text[:start] + text[end:], "body")
    if fields.get("frame") != "":
        raise FrameError("frame", "“frame” is there more than once.")
    fields["frame"] = _unescape(text[start:end])
    return fields


def _parse_object(text: bytes, field: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise FrameError(field, f"The {field} is not valid JSON.") from None
    if not isinstance(value, dict):
        raise FrameError(field, f"The {field} must be a JSON object.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _unescape(text: bytes) -> str:
    """Decode JSON escapes: some programs write `/` as `\\/` and `+` as `\\u002B`."""
    if b"\\" not in text:
        return text.decode("latin-1")
    try:
        return str(json.loads(b'"%b"' % text))
    except ValueError:
        raise FrameError("body", "The body is not valid JSON.") from None


def _validate_timestamp(value: Any) -> int:
    """Return unix ms near our clock. Raises `FrameError("timestamp", ...)`."""
    timestamp = _to_int(value)
    if timestamp is None:
        raise FrameError("timestamp", "“timestamp” must be a number of unix milliseconds.")
    if abs(timestamp - time.time() * 1000) > MAX_CLOCK_ERROR_MS:
        raise FrameError(
            "timestamp", "“timestamp” is over 60 s away from the server's clock; set the device's."
        )
    return timestamp


def _to_int(value: Any) -> int | None:
    """Return a number as an integer; None for other types, NaN and too large numbers."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and -_MAX_NUMBER < value < _MAX_NUMBER else None


def _decode_base64(text: Any) -> bytes:
    """Return the bytes of a base64 text. Raises `FrameError("frame", ...)`."""
    if not isinstance(text, str) or not text:
        raise FrameError("frame", "“frame” is missing or is not a text.")
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise FrameError("frame", "The frame is not base64 without a data-URL prefix.") from None
