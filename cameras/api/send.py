"""`actions/send`: accept a frame from a client. Echoes of shown frames are cheap and ignored."""

from __future__ import annotations

import re
import time

from channels.db import database_sync_to_async
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from cameras.access import NO_CAMERA, actor_for_stream_key, get_known_camera, require_watch
from cameras.live.demand import Verdict
from cameras.live.frame_acceptor import PROBLEMS, accept_frame
from cameras.live.incoming import Envelope, PushedFrame, parse_body
from cameras.live.jpeg import FrameError
from cameras.models import Camera, Kind, StreamKey
from cameras.models.states import PushClock
from project.accounts.authentication import Denied, authenticate, methods
from project.accounts.credentials import Actor
from project.audit.log import Action
from project.audit.recent_views import log_picture
from project.audit.requesters import Requester
from project.problems import field_problem, problem

ECHO_CACHE_S = 1.5  # how long permission for echoes is cached: withdrawal must act within 2 s
ECHO_CACHE_MAX = 4096  # entries; a full cache is emptied
LARGE_BYTES = 256 * 1024  # a larger body is parsed only for callers with permission
_KEY_IN_BODY = re.compile(rb'"camera_id"\s*:\s*"(sk_[\w-]{20,80})"')


def parse(body: bytes) -> tuple[str, PushedFrame]:
    """Validate the JSON body of the seed's client. Raises `FrameError`, which names the field.

    Returns the camera as the client named it, and the frame.
    """
    fields = parse_body(body)
    for name in ("streamName", "streamType", "frame", "camera_id"):
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise FrameError(name, f"“{name}” is missing or is not a text.")
    if fields["streamType"] != "frame":
        raise FrameError("streamType", "“streamType” must be “frame”.")
    return fields["camera_id"], Envelope(fields).validate()


# (Authorization header, camera as the client named it) → end of validity, in monotonic seconds.
_echoes: dict[tuple[str, str], float] = {}


@methods("POST")
async def send(request: HttpRequest) -> HttpResponseBase:
    """Answer 202 `{accepted, duplicate}`, or 400 for a bad frame, of which nothing is stored."""
    try:
        if len(request.body) > LARGE_BYTES:  # parsing it blocks the event loop
            await database_sync_to_async(_check_permission)(request)
        name, frame = parse(request.body)
    except FrameError as error:
        # A caller without permission learns nothing about the frame.
        await database_sync_to_async(_check_permission)(request)
        return field_problem(error.field, error.sentence)
    credential = request.META.get("HTTP_AUTHORIZATION", "")
    if _echoes.get((credential, name), 0) > time.monotonic():
        return _accepted(duplicate=True)
    camera, duplicate = await database_sync_to_async(_authorize)(request, name, frame)
    if camera.kind != Kind.PUSH and (credential or name.startswith(StreamKey.PREFIX)):
        _cache_echo((credential, name))
    if duplicate:
        return _accepted(duplicate=True)
    verdict = await accept_frame(camera.pk, frame)
    if verdict is Verdict.NO_CAMERA:  # deleted just now
        return problem(404, NO_CAMERA)
    if verdict not in PROBLEMS:
        return _accepted(duplicate=verdict is not Verdict.ACCEPTED)
    response = problem(*PROBLEMS[verdict])
    if response.status_code == 503:
        response["Retry-After"] = "1"
    return response


def _check_permission(request: HttpRequest) -> None:
    """Raises `Denied` unless the caller may send frames of the camera, if the body names one.

    Publishers of a `push` camera may send new frames, its viewers only duplicates.
    """
    _require_credential(request)
    try:
        name = parse_body(request.body).get("camera_id")
    except FrameError:
        return
    if isinstance(name, str) and name:
        actor, camera = _resolve(request, name)
        if camera.kind != Kind.PUSH or not actor.has_scope("publish", camera.organization_id):
            require_watch(actor, camera)


def _require_credential(request: HttpRequest) -> None:
    """Raises `Denied` unless there is a valid credential; a stream key in the body counts."""
    key = _KEY_IN_BODY.search(request.body)
    if _has_no_token(request) and key and actor_for_stream_key(key[1].decode()):
        return
    authenticate(request)


def _authorize(request: HttpRequest, name: str, frame: PushedFrame) -> tuple[Camera, bool]:
    """Return the camera, and whether the frame is known to be a duplicate. Raises `Denied`."""
    actor, camera = _resolve(request, name)
    if camera.kind != Kind.PUSH or PushClock.has_accepted(camera.pk, frame.timestamp):
        require_watch(actor, camera)
        return camera, True
    if not actor.has_scope("publish", camera.organization_id):
        raise Denied(problem(403, "Publishing needs the operator's role and scope “publish”."))
    if camera.enabled:
        log_picture(Requester.of(request, actor), camera, Action.PUBLISH)
    return camera, False


# What the seed's client sends without a token: its text template prints the missing value.
_NO_TOKEN = ("", "Bearer", "Bearer undefined", "Bearer null")


def _has_no_token(request: HttpRequest) -> bool:
    return request.META.get("HTTP_AUTHORIZATION", "").strip() in _NO_TOKEN


def _resolve(request: HttpRequest, name: str) -> tuple[Actor, Camera]:
    """Return the caller and the camera. Raises `Denied`.

    A stream key names its camera, and is a sufficient credential if no token is sent.
    """
    key_actor = actor_for_stream_key(name)
    actor = key_actor if key_actor and _has_no_token(request) else authenticate(request)
    return actor, get_known_camera(actor, name, key_actor)


def _cache_echo(key: tuple[str, str]) -> None:
    """Cache that this credential may echo frames of this camera. Bounded by `ECHO_CACHE_MAX`."""
    if len(_echoes) >= ECHO_CACHE_MAX:
        _echoes.clear()
    _echoes[key] = time.monotonic() + ECHO_CACHE_S


def _accepted(*, duplicate: bool) -> JsonResponse:
    return JsonResponse({"accepted": True, "duplicate": duplicate}, status=202)
