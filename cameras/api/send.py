"""`actions/send`: a frame handed to the backend. Cheap, and proof against echoes."""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
import uuid
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from cameras.access import Actor, actor_for_stream_key
from cameras.api.doors import Denied, actor_at_the_door, camera_for
from cameras.api.problems import problem
from cameras.live import process
from cameras.live.frames import FrameError, jpeg_size
from cameras.models import Kind, StreamKey
from cameras.models.cameras import SWITCHED_OFF, PushClock

CLOCK_MS = 60_000
REMEMBER_S = 1.5  # an echo's permission is remembered this long; withdrawal acts within 2 s
REMEMBER_MOST = 4096


@dataclass(frozen=True, slots=True)
class Posted:
    """A valid request: the camera as the client named it, unix ms, JPEG bytes."""

    camera: str
    timestamp: int
    jpeg: bytes


def read(body: bytes) -> Posted:
    """Validate the seed's JSON. Raises `FrameError` naming the field."""
    try:
        data = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise FrameError("body", "The body is not valid JSON.") from None
    if not isinstance(data, dict):
        raise FrameError("body", "The body must be a JSON object.")
    for name in ("streamName", "streamType", "frame", "camera_id"):
        if not isinstance(data.get(name), str) or not data[name]:
            raise FrameError(name, f"“{name}” is missing or is not a text.")
    if data["streamType"] != "frame":
        raise FrameError("streamType", "“streamType” must be “frame”.")
    return Posted(data["camera_id"], _timestamp(data.get("timestamp")), _jpeg(data["frame"]))


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _timestamp(value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise FrameError("timestamp", "“timestamp” must be a number of unix milliseconds.")
    if abs(value - time.time() * 1000) > CLOCK_MS:
        raise FrameError(
            "timestamp", "“timestamp” is over 60 s away from the server's clock; set the device's."
        )
    return int(value)


def _jpeg(text: str) -> bytes:
    try:
        jpeg = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FrameError("frame", "The frame is not base64 without a data-URL prefix.") from None
    jpeg_size(jpeg)
    return jpeg


_echoes: dict[tuple[str, str], float] = {}


@csrf_exempt
@require_POST
async def send(request: HttpRequest) -> HttpResponseBase:
    """202 `{accepted, duplicate}`; 400 for a bad frame; nothing is stored of either."""
    try:
        posted = read(request.body)
    except FrameError as error:
        # Who may not enter learns nothing of what was wrong with the parcel.
        try:
            await database_sync_to_async(_bearer_of_bad_news)(request)
        except Denied as denied:
            return denied.response
        return problem(400, error.sentence, errors={error.field: [error.sentence]})
    credential = request.META.get("HTTP_AUTHORIZATION", "")
    if _echoes.get((credential, posted.camera), 0) > time.monotonic():
        return _answer(duplicate=True)
    try:
        camera_id, duplicate, echo = await database_sync_to_async(_settle)(request, posted)
    except Denied as denied:
        return denied.response
    if echo and (credential or posted.camera.startswith(StreamKey.PREFIX)):
        _remember((credential, posted.camera))
    line = process.line()
    if not duplicate:
        if line is None:
            return problem(503, "No process is reading cameras.")
        await line.push(camera_id, posted.timestamp, posted.jpeg)
    return _answer(duplicate=duplicate)


def _bearer_of_bad_news(request: HttpRequest) -> None:
    actor_at_the_door(request)


def _settle(request: HttpRequest, posted: Posted) -> tuple[str, bool, bool]:
    """Camera id, whether the frame is a duplicate, and whether every later one will be."""
    actor, camera_id = _who(request, posted.camera)
    camera = camera_for(actor, camera_id)
    if camera.kind != Kind.PUSH:
        return str(camera.pk), True, True
    newest = PushClock.objects.filter(camera=camera).values_list("accepted_ms", flat=True).first()
    if newest is not None and posted.timestamp <= newest:
        return str(camera.pk), True, False
    if not actor.may("publish", camera.organization_id):
        raise Denied(problem(403, "Publishing to this camera needs the operator's role."))
    if not camera.enabled:
        raise Denied(problem(409, SWITCHED_OFF))
    return str(camera.pk), not PushClock.accept(camera.pk, posted.timestamp), False


# What the seed's client sends where it has no token: a text template makes a word of nothing.
_NO_TOKEN = ("", "Bearer", "Bearer undefined", "Bearer null")


def _who(request: HttpRequest, name: str) -> tuple[Actor, uuid.UUID]:
    """A stream key names its camera, and is credential enough where no other one is sent."""
    keyed = actor_for_stream_key(name)
    if keyed is not None and request.META.get("HTTP_AUTHORIZATION", "").strip() in _NO_TOKEN:
        return keyed, keyed.keyed_cameras[0]
    actor = actor_at_the_door(request)
    if keyed is not None:
        return actor, keyed.keyed_cameras[0]
    try:
        return actor, uuid.UUID(name)
    except ValueError:
        raise Denied(problem(404, "There is no such camera.")) from None


def _remember(what: tuple[str, str]) -> None:
    if len(_echoes) >= REMEMBER_MOST:
        _echoes.clear()
    _echoes[what] = time.monotonic() + REMEMBER_S


def _answer(*, duplicate: bool) -> JsonResponse:
    return JsonResponse({"accepted": True, "duplicate": duplicate}, status=202)
