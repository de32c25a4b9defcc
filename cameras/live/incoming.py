"""Pushed frames, from `/ws/publish/` and `actions/send`: parse, claim in the database, forward.

Two formats: the seed's JSON with a base64 `frame`, and `sideline.v1` as viewers get it. Parsing
runs on the event loop: it holds the GIL throughout (10 ms for 8 MiB), so a thread would block the
loop for just as long.
"""

from __future__ import annotations

import asyncio
import enum
import json
import logging
import re
import struct
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.db import transaction
from pybase64 import b64decode

from cameras.live import services
from cameras.live.demand import Handover
from cameras.live.jpeg import FrameError, jpeg_size, without_metadata
from cameras.models import Camera, Kind
from cameras.models.states import SWITCHED_OFF, PushClock
from project.tasks import start

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


log = logging.getLogger(__name__)

RETRY_S = 1.0


class Verdict(enum.Enum):
    """The result of a pushed frame."""

    ACCEPTED = enum.auto()
    DUPLICATE = enum.auto()  # not newer than the last accepted one
    SWITCHED_OFF = enum.auto()
    NOT_PUSH = enum.auto()  # the camera's kind was changed
    NO_CAMERA = enum.auto()
    # Nothing was accepted; the frame may be sent again:
    BUSY = enum.auto()
    STARTING = enum.auto()
    NO_PROCESS = enum.auto()


# Verdicts that are answered as problems: status and sentence.
PROBLEMS = {
    Verdict.SWITCHED_OFF: (409, SWITCHED_OFF),
    Verdict.BUSY: (503, "The server cannot take this frame just now; send it again."),
    Verdict.STARTING: (503, "The process that reads cameras is starting; send the frame again."),
    Verdict.NO_PROCESS: (503, "No process is reading cameras just now; send the frame again."),
}
_VERDICTS = {
    Handover.TAKEN: Verdict.ACCEPTED,
    Handover.BUSY: Verdict.BUSY,
    Handover.STARTING: Verdict.STARTING,
    Handover.NO_PROCESS: Verdict.NO_PROCESS,
}


async def accept_frame(camera_id: uuid.UUID, frame: PushedFrame) -> Verdict:
    """Claim a frame and hand it to ingest. The caller has checked the right to publish.

    If the caller is cancelled, a frame that is claimed already is still handed over: its timestamp
    is never used up for nothing.
    """
    return await _acceptor.accept(camera_id, frame)


@transaction.atomic
def claim_frames(frames: Sequence[tuple[uuid.UUID, int]]) -> list[Verdict]:
    """Claim frames, each a camera id and a timestamp in unix ms, in one transaction.

    Returns a verdict per frame, in the same order.
    """
    rows = Camera.objects.filter(pk__in={camera_id for camera_id, _ in frames})
    cameras = {camera.pk: camera for camera in rows.only("pk", "kind", "enabled")}
    verdicts = [Verdict.NO_CAMERA] * len(frames)
    for index in sorted(range(len(frames)), key=frames.__getitem__):  # one order: no deadlock
        camera_id, timestamp = frames[index]
        if camera_id in cameras:
            verdicts[index] = _claim_frame(cameras[camera_id], timestamp)
    return verdicts


def _claim_frame(camera: Camera, timestamp: int) -> Verdict:
    if camera.kind != Kind.PUSH:
        return Verdict.NOT_PUSH
    if not camera.enabled:
        return Verdict.SWITCHED_OFF
    return Verdict.ACCEPTED if PushClock.accept(camera.pk, timestamp) else Verdict.DUPLICATE


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A frame that waits for its verdict. The future is cancelled with the publisher."""

    camera_id: uuid.UUID
    frame: PushedFrame
    verdict: asyncio.Future[Verdict]

    def answer(self, verdict: Verdict) -> None:
        if not self.verdict.done():
            self.verdict.set_result(verdict)


class FrameAcceptor:
    """Accepts the frames of all publishers of this process, by sockets and `actions/send`.

    Frames that arrive during a transaction share the next one, so that many publishers do not each
    queue for the database thread. Bound: one frame per publisher, since each waits for its verdict.
    The tasks are its own: one that ended with a publisher would lose what others wait for.
    """

    def __init__(self) -> None:
        self._waiting: list[_Arrival] = []
        self._task: asyncio.Task[None] | None = None

    async def accept(self, camera_id: uuid.UUID, frame: PushedFrame) -> Verdict:
        """Claim one frame and hand it over. `BUSY` after `RETRY_S` if the database fails."""
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Arrival(camera_id, frame, verdict))
        if self._task is None or self._task.done():
            self._task = start(self._run(), "claims")
        return await verdict

    async def _run(self) -> None:
        """Claim batch after batch, until none waits."""
        while self._waiting:
            batch = [arrival for arrival in self._waiting if not arrival.verdict.cancelled()]
            self._waiting = []
            frames = [(arrival.camera_id, arrival.frame.timestamp) for arrival in batch]
            try:
                verdicts = await database_sync_to_async(claim_frames)(frames)
            except Exception:
                log.exception("pushed frames could not be claimed")
                verdicts = [Verdict.BUSY] * len(batch)
                await asyncio.sleep(RETRY_S)
            for arrival, verdict in zip(batch, verdicts, strict=True):
                if verdict is Verdict.ACCEPTED:  # not one after the other: Redis takes time
                    start(self._hand_over(arrival), "pushed frame")
                else:
                    arrival.answer(verdict)

    async def _hand_over(self, arrival: _Arrival) -> None:
        """Send a claimed frame to ingest; if no process takes it, release the claim."""
        camera_id, frame = arrival.camera_id, arrival.frame
        verdict = Verdict.BUSY
        try:
            link = services.ingest_link()
            handover = Handover.NO_PROCESS
            if link is not None:
                handover = await link.push(str(camera_id), frame.timestamp, frame.jpeg)
            verdict = _VERDICTS[handover]
            if handover is not Handover.TAKEN:
                await database_sync_to_async(PushClock.release)(camera_id, frame.timestamp)
        finally:
            arrival.answer(verdict)


_acceptor = FrameAcceptor()
