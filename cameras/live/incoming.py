"""Pushed frames, by whichever door: parsed, claimed once in the database, given to ingest.

Two formats: the seed's JSON with a base64 `frame`, and `sideline.v1` as viewers get it. Parsing
runs on the loop: it holds the interpreter's lock throughout, so that a thread would hold up the
others just as long, which is 10 ms for 8 MiB.
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

from cameras.live import process
from cameras.live.jpeg import FrameError, jpeg_size
from cameras.models import Camera, Kind
from cameras.models.states import PushClock

CLOCK_MS = 60_000
MOST_FACTS = 64 * 1024  # bytes of JSON beside the picture: a parser's work has to have an end
_MOST = 10**15
_FRAME = re.compile(rb'"frame"\s*:\s*"')
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class PushedFrame:
    """A frame that may be taken: `timestamp` in unix ms, and a JPEG within the limits."""

    timestamp: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that was opened but not judged: what it says, and the picture, unless `facts` hold
    that as base64."""

    facts: Mapping[str, Any]
    picture: bytes | None = None

    @property
    def mark(self) -> int | None:
        """What an acknowledgement names: `seq`, or else the timestamp; None without either."""
        seq = self.facts.get("seq")
        return _whole(self.facts.get("timestamp") if _whole(seq) is None else seq)

    def frame(self) -> PushedFrame:
        """Raises `FrameError` naming the field."""
        timestamp = timestamp_of(self.facts.get("timestamp"))
        if self.picture is None:
            return PushedFrame(timestamp, jpeg_of(self.facts.get("frame")))
        jpeg_size(self.picture)
        return PushedFrame(timestamp, self.picture)


def open_seed(message: bytes) -> Envelope:
    """The seed's JSON. Raises `FrameError("body", ...)`."""
    return Envelope(facts_of(message))


def open_v1(message: bytes) -> Envelope:
    """uint32 header length, JSON header, JPEG bytes. Raises `FrameError("header", ...)`."""
    length = _LENGTH.unpack_from(message)[0] if len(message) >= _LENGTH.size else 0
    start = _LENGTH.size + length
    if not 0 < length <= MOST_FACTS or start > len(message):
        raise FrameError("header", "The message does not begin with a length and a JSON header.")
    return Envelope(_object(message[_LENGTH.size : start], "header"), message[start:])


def facts_of(text: bytes) -> dict[str, Any]:
    """A JSON object with a long `frame` and little else. Raises `FrameError`.

    The picture is cut out first, which takes a twentieth of the time that a parser needs for it.
    """
    if len(text) <= MOST_FACTS:
        return _object(text, "body")
    found = _FRAME.search(text, 0, MOST_FACTS)
    start = found.end() if found else 0
    end = text.find(b'"', start)
    if end < 0 or len(text) - (end - start) > MOST_FACTS:
        raise FrameError("body", "The body is larger than a JSON object with one frame may be.")
    facts = _object(text[:start] + text[end:], "body")
    if facts.get("frame") != "":
        raise FrameError("frame", "“frame” is there more than once.")
    facts["frame"] = _unescaped(text[start:end])
    return facts


def _object(text: bytes, field: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise FrameError(field, f"The {field} is not valid JSON.") from None
    if not isinstance(found, dict):
        raise FrameError(field, f"The {field} must be a JSON object.")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _unescaped(text: bytes) -> str:
    """Some programs write `/` as `\\/` and `+` as `\\u002B`."""
    if b"\\" not in text:
        return text.decode("latin-1")
    try:
        return str(json.loads(b'"%b"' % text))
    except ValueError:
        raise FrameError("body", "The body is not valid JSON.") from None


def timestamp_of(value: Any) -> int:
    """Unix ms near our own clock. Raises `FrameError("timestamp", ...)`."""
    timestamp = _whole(value)
    if timestamp is None:
        raise FrameError("timestamp", "“timestamp” must be a number of unix milliseconds.")
    if abs(timestamp - time.time() * 1000) > CLOCK_MS:
        raise FrameError(
            "timestamp", "“timestamp” is over 60 s away from the server's clock; set the device's."
        )
    return timestamp


def _whole(value: Any) -> int | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if number and -_MOST < value < _MOST else None  # no room for NaN, too


def jpeg_of(text: Any) -> bytes:
    """The bytes of a base64 JPEG within the limits. Raises `FrameError("frame", ...)`."""
    if not isinstance(text, str) or not text:
        raise FrameError("frame", "“frame” is missing or is not a text.")
    try:
        jpeg = b64decode(text, validate=True)
    except ValueError:
        raise FrameError("frame", "The frame is not base64 without a data-URL prefix.") from None
    jpeg_size(jpeg)
    return jpeg


log = logging.getLogger(__name__)

RETRY_S = 1.0


class Verdict(enum.Enum):
    """What becomes of a frame."""

    ACCEPTED = enum.auto()
    DUPLICATE = enum.auto()  # not newer than the last accepted one
    SWITCHED_OFF = enum.auto()
    NOT_PUSH = enum.auto()  # the camera became one of another kind
    GONE = enum.auto()  # no such camera
    NOBODY = enum.auto()  # nobody takes it just now: it may be sent again


async def take(camera_id: uuid.UUID, frame: PushedFrame) -> Verdict:
    """Publish the frame of somebody who may publish, if it is new."""
    verdict = await _claims.ask(camera_id, frame.timestamp)
    if verdict is Verdict.ACCEPTED and not await hand_over(camera_id, frame):
        return Verdict.NOBODY
    return verdict


async def hand_over(camera_id: uuid.UUID, frame: PushedFrame) -> bool:
    """Give ingest a frame that was claimed; where nobody takes it, the claim is given back."""
    line = process.ingest_link()
    if line is not None and await line.push(str(camera_id), frame.timestamp, frame.jpeg):
        return True
    await database_sync_to_async(PushClock.give_back)(camera_id, frame.timestamp)
    return False


@transaction.atomic
def claim(asked: Sequence[tuple[uuid.UUID, int]]) -> list[Verdict]:
    """Judge cameras' frames by their timestamps in unix ms, all in one transaction."""
    rows = Camera.objects.filter(pk__in={camera_id for camera_id, _ in asked})
    cameras = {camera.pk: camera for camera in rows.only("pk", "kind", "enabled")}
    verdicts = [Verdict.GONE] * len(asked)
    for at in sorted(range(len(asked)), key=asked.__getitem__):  # in one order: no deadlock
        camera_id, timestamp = asked[at]
        if camera_id in cameras:
            verdicts[at] = _verdict(cameras[camera_id], timestamp)
    return verdicts


def _verdict(camera: Camera, timestamp: int) -> Verdict:
    if camera.kind != Kind.PUSH:
        return Verdict.NOT_PUSH
    if not camera.enabled:
        return Verdict.SWITCHED_OFF
    return Verdict.ACCEPTED if PushClock.accept(camera.pk, timestamp) else Verdict.DUPLICATE


class Claims:
    """Claims for all publishers of this process: those that come during a transaction share the
    next one, so that many publishers do not each take a turn of the database's thread.

    Bound: one frame of each publisher, for each waits for its answer.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[uuid.UUID, int, asyncio.Future[Verdict]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, camera_id: uuid.UUID, timestamp: int) -> Verdict:
        """A database that does not answer is logged; the frame may be sent again a second later."""
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append((camera_id, timestamp, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="claims")
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            asked = [(camera_id, timestamp) for camera_id, timestamp, _ in batch]
            try:
                verdicts = await database_sync_to_async(claim)(asked)
            except Exception:
                log.exception("frames that were handed in could not be claimed")
                verdicts = [Verdict.NOBODY] * len(batch)
                await asyncio.sleep(RETRY_S)
            for (*_, answer), verdict in zip(batch, verdicts, strict=True):
                if not answer.done():  # by a publisher who is gone
                    answer.set_result(verdict)


_claims = Claims()
