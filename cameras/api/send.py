"""`actions/send`: accept a frame from a client. Echoes of shown frames are cheap and ignored."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from cameras.access import NO_CAMERA, actor_for_stream_key, get_known_camera, require_watch
from cameras.live.frame_acceptor import PROBLEMS, Verdict, accept_frame
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


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A valid request: the camera as the client named it, and the frame."""

    camera: str
    frame: PushedFrame


def parse(body: bytes) -> SendRequest:
    """Validate the JSON body of the seed's client. Raises `FrameError`, which names the field."""
    fields = parse_body(body)
    for name in ("streamName", "streamType", "frame", "camera_id"):
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise FrameError(name, f"“{name}” is missing or is not a text.")
    if fields["streamType"] != "frame":
        raise FrameError("streamType", "“streamType” must be “frame”.")
    return SendRequest(fields["camera_id"], Envelope(fields).validate())


# (Authorization header, camera as the client named it) → end of validity, in monotonic seconds.
_echoes: dict[tuple[str, str], float] = {}


@methods("POST")
async def send(request: HttpRequest) -> HttpResponseBase:
    """Answer 202 `{accepted, duplicate}`, or 400 for a bad frame, of which nothing is stored."""
    try:
        if len(request.body) > LARGE_BYTES:  # parsing it blocks the event loop
            await database_sync_to_async(_check_permission)(request)
        sent = parse(request.body)
    except FrameError as error:
        # A caller without permission learns nothing about the frame.
        try:
            await database_sync_to_async(_check_permission)(request)
        except Denied as denied:
            return denied.response
        return field_problem(error.field, error.sentence)
    except Denied as denied:
        return denied.response
    credential = request.META.get("HTTP_AUTHORIZATION", "")
    if _echoes.get((credential, sent.camera), 0) > time.monotonic():
        return _accepted(duplicate=True)
    try:
        camera, duplicate = await database_sync_to_async(_authorize)(request, sent)
    except Denied as denied:
        return denied.response
    if camera.kind != Kind.PUSH and (credential or sent.camera.startswith(StreamKey.PREFIX)):
        _cache_echo((credential, sent.camera))
    if duplicate:
        return _accepted(duplicate=True)
    verdict = await accept_frame(camera.pk, sent.frame)
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
        actor, camera_id = _resolve(request, name)
        camera = get_known_camera(actor, camera_id)
        if camera.kind != Kind.PUSH or not actor.has_scope("publish", camera.organization_id):
            require_watch(actor, camera)


def _require_credential(request: HttpRequest) -> None:
    """Raises `Denied` unless there is a valid credential; a stream key in the body counts."""
    key = _KEY_IN_BODY.search(request.body)
    if _has_no_token(request) and key and actor_for_stream_key(key[1].decode()):
        return
    authenticate(request)


def _authorize(request: HttpRequest, sent: SendRequest) -> tuple[Camera, bool]:
    """Return the camera, and whether the frame is known to be a duplicate. Raises `Denied`."""
    actor, camera_id = _resolve(request, sent.camera)
    camera = get_known_camera(actor, camera_id)
    if camera.kind != Kind.PUSH or PushClock.has_accepted(camera.pk, sent.frame.timestamp):
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


def _resolve(request: HttpRequest, name: str) -> tuple[Actor, uuid.UUID]:
    """Return the caller and the camera's id. Raises `Denied`.

    A stream key names its camera, and is a sufficient credential if no token is sent.
    """
    key_actor = actor_for_stream_key(name)
    if key_actor is not None and _has_no_token(request):
        return key_actor, key_actor.resource_ids[0]
    actor = authenticate(request)
    if key_actor is not None:
        return actor, key_actor.resource_ids[0]
    try:
        return actor, uuid.UUID(name)
    except ValueError:
        raise Denied(problem(404, NO_CAMERA)) from None


def _cache_echo(key: tuple[str, str]) -> None:
    """Cache that this credential may echo frames of this camera. Bounded by `ECHO_CACHE_MAX`."""
    if len(_echoes) >= ECHO_CACHE_MAX:
        _echoes.clear()
    _echoes[key] = time.monotonic() + ECHO_CACHE_S


def _accepted(*, duplicate: bool) -> JsonResponse:
    return JsonResponse({"accepted": True, "duplicate": duplicate}, status=202)
