"""`actions/send`: a frame handed to the backend. Cheap, and proof against echoes."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from cameras.access import actor_for_stream_key, known_camera, must_watch
from cameras.live.incoming import Envelope, PushedFrame, facts_of, hand_over
from cameras.live.jpeg import FrameError
from cameras.models import Camera, Kind, StreamKey
from cameras.models.states import SWITCHED_OFF, PushClock
from project.accounts.access import Actor
from project.accounts.authentication import Denied, authenticate, methods
from project.problems import problem

REMEMBER_S = 1.5  # an echo's permission is remembered this long; withdrawal acts within 2 s
REMEMBER_MOST = 4096
LARGE_BYTES = 256 * 1024
_KEY_IN_BODY = re.compile(rb'"camera_id"\s*:\s*"(sk_[\w-]{20,80})"')


@dataclass(frozen=True, slots=True)
class Posted:
    """A valid request: the camera as the client named it, and the frame."""

    camera: str
    frame: PushedFrame


def read(body: bytes) -> Posted:
    """Validate the seed's JSON. Raises `FrameError` naming the field."""
    facts = facts_of(body)
    for name in ("streamName", "streamType", "frame", "camera_id"):
        if not isinstance(facts.get(name), str) or not facts[name]:
            raise FrameError(name, f"“{name}” is missing or is not a text.")
    if facts["streamType"] != "frame":
        raise FrameError("streamType", "“streamType” must be “frame”.")
    return Posted(facts["camera_id"], Envelope(facts).frame())


_echoes: dict[tuple[str, str], float] = {}


@methods("POST")
async def send(request: HttpRequest) -> HttpResponseBase:
    """202 `{accepted, duplicate}`; 400 for a bad frame; nothing is stored of either."""
    try:
        if len(request.body) > LARGE_BYTES:  # reading it holds up everybody: not for others
            await database_sync_to_async(_may_send)(request)
        posted = read(request.body)
    except FrameError as error:
        # Who may not enter learns nothing of what was wrong with the frame.
        try:
            await database_sync_to_async(_may_send)(request)
        except Denied as denied:
            return denied.response
        return problem(400, error.sentence, errors={error.field: [error.sentence]})
    except Denied as denied:
        return denied.response
    credential = request.META.get("HTTP_AUTHORIZATION", "")
    if _echoes.get((credential, posted.camera), 0) > time.monotonic():
        return _answer(duplicate=True)
    try:
        camera, duplicate = await database_sync_to_async(_settle)(request, posted)
    except Denied as denied:
        return denied.response
    if camera.kind != Kind.PUSH and (credential or posted.camera.startswith(StreamKey.PREFIX)):
        _remember((credential, posted.camera))
    if duplicate or await hand_over(camera.pk, posted.frame):
        return _answer(duplicate=duplicate)
    response = problem(503, "No process is reading cameras just now; send the frame again.")
    response["Retry-After"] = "1"
    return response


def _may_send(request: HttpRequest) -> None:
    """Raises `Denied` unless the credential reaches the camera, if the body names one.

    A frame of a `push` camera may be of who watches, as a duplicate, or of who publishes.
    """
    _somebody(request)
    try:
        name = facts_of(request.body).get("camera_id")
    except FrameError:
        return
    if isinstance(name, str) and name:
        actor, camera_id = _who(request, name)
        camera = known_camera(actor, camera_id)
        if camera.kind != Kind.PUSH or not actor.may("publish", camera.organization_id):
            must_watch(actor, camera)


def _somebody(request: HttpRequest) -> None:
    """Raises `Denied` unless a credential is presented, be it the stream key in the body."""
    key = _KEY_IN_BODY.search(request.body)
    if _sends_no_token(request) and key and actor_for_stream_key(key[1].decode()):
        return
    authenticate(request)


def _settle(request: HttpRequest, posted: Posted) -> tuple[Camera, bool]:
    """The camera, and whether the frame is a duplicate. A new one is claimed here, once."""
    actor, camera_id = _who(request, posted.camera)
    camera = known_camera(actor, camera_id)
    if camera.kind != Kind.PUSH or PushClock.has(camera.pk, posted.frame.timestamp):
        must_watch(actor, camera)
        return camera, True
    if not actor.may("publish", camera.organization_id):
        raise Denied(problem(403, "Publishing needs the operator's role and scope “publish”."))
    if not camera.enabled:
        raise Denied(problem(409, SWITCHED_OFF))
    return camera, not PushClock.accept(camera.pk, posted.frame.timestamp)


# What the seed's client sends where it has no token: a text template makes a word of nothing.
_NO_TOKEN = ("", "Bearer", "Bearer undefined", "Bearer null")


def _sends_no_token(request: HttpRequest) -> bool:
    return request.META.get("HTTP_AUTHORIZATION", "").strip() in _NO_TOKEN


def _who(request: HttpRequest, name: str) -> tuple[Actor, uuid.UUID]:
    """A stream key names its camera, and is credential enough where no other one is sent."""
    keyed = actor_for_stream_key(name)
    if keyed is not None and _sends_no_token(request):
        return keyed, keyed.resource_ids[0]
    actor = authenticate(request)
    if keyed is not None:
        return actor, keyed.resource_ids[0]
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
