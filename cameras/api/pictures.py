"""A camera's newest picture, and its pictures as an endless MJPEG."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date

from cameras.access import known_camera, must_watch
from cameras.live import process
from cameras.live.formats import PartsViewer
from cameras.live.frames import Frame
from cameras.live.variants import Variant
from cameras.models import Camera
from cameras.models.states import SWITCHED_OFF
from project.accounts.access import Actor, grant_for
from project.accounts.authentication import Denied, authenticate, methods
from project.audit.askers import Asker
from project.audit.log import Action
from project.audit.snapshots import took_snapshot
from project.audit.view_log import NotRecorded
from project.problems import problem

log = logging.getLogger(__name__)

BOUNDARY = "sideline"
DELIMITER = f"--{BOUNDARY}\r\n".encode()
ASK_S = 0.02  # how often it is asked whether a reader has taken what it was sent
UNRECORDED = "Views cannot be put on record just now, and so none begins. Try again in a moment."


def _enter(request: HttpRequest, camera_id: uuid.UUID) -> tuple[Camera, Actor]:
    actor = authenticate(request)
    camera = known_camera(actor, camera_id)
    must_watch(actor, camera)
    return camera, actor


@methods("GET", "HEAD")
async def snapshot(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The newest frame as image/jpeg with Last-Modified, or 503 and the reason there is none."""
    try:
        camera, actor = await database_sync_to_async(_enter)(request, pk)
    except Denied as denied:
        return denied.response
    if not camera.enabled:
        return problem(503, SWITCHED_OFF, state="ended")
    frame = await process.newest_frame(camera)
    if frame is None:
        state = await database_sync_to_async(camera.current_state)()
        reason = state.reason or "No picture arrived within a second."
        return problem(503, reason, state=state.state)
    seen = request.method != "HEAD"  # which is told of a picture, and is given none
    if seen:
        try:
            await database_sync_to_async(took_snapshot)(Asker.of(request, actor), camera)
        except DatabaseError as error:
            return _unrecorded(error)
    response = HttpResponse(frame.jpeg if seen else b"", content_type="image/jpeg")
    response["Content-Length"] = str(len(frame.jpeg))
    response["Last-Modified"] = http_date(frame.timestamp / 1000)
    response["Cache-Control"] = "private, no-cache"
    response["X-Timestamp"] = str(frame.timestamp)
    response["Content-Disposition"] = f'inline; filename="{camera.pk}-{frame.timestamp}.jpg"'
    return response


@methods("GET")
async def mjpeg(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """multipart/x-mixed-replace, newest wins, until the reader leaves or may no longer watch.

    503 where the view cannot be put on record.
    """
    try:
        camera, actor = await database_sync_to_async(_enter)(request, pk)
    except Denied as denied:
        return denied.response
    scope: dict[str, Any] = getattr(request, "scope", {})
    waiting = scope.get("extensions", {}).get("sideline.waiting")
    variant = Variant.asked(request.GET.dict())
    parts = _parts(camera, actor, Asker.of(request, actor), variant, waiting)
    try:
        await anext(parts)
    except NotRecorded as error:
        return _unrecorded(error)
    response = StreamingHttpResponse(
        parts, content_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    )
    response["Cache-Control"] = "no-store, no-transform"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    return response


async def _parts(
    camera: Camera,
    actor: Actor,
    asker: Asker,
    variant: Variant,
    waiting: Callable[[], int] | None,
) -> AsyncGenerator[bytes, None]:
    """The first part is empty, and there once the view is on record. Raises `NotRecorded`.

    From then on the loop itself ends it, even where the response is never sent.
    """
    ended = asyncio.Event()
    view = await process.view_log().begin(asker, camera, Action.WATCH_MJPEG)
    with contextlib.ExitStack() as leaving:
        leaving.callback(process.view_log().end, view)
        viewer = process.hub().join(  # here, so that it is sure to leave
            str(camera.pk), lambda feed: PartsViewer(feed, variant), variant.width, mark=camera.mark
        )
        leaving.callback(viewer.leave)

        def leave(code: int) -> None:
            ended.set()
            viewer.wake()

        process.connection_monitor().watch(viewer, grant_for(actor, "read", camera.pk), leave)
        leaving.callback(process.connection_monitor().forget, viewer)
        yield b""
        # At once, for the status goes along; and after each part, since browsers show one when the
        # next begins.
        yield DELIMITER
        while not ended.is_set():
            if waiting is not None and waiting():
                await asyncio.sleep(ASK_S)
                continue
            frame = viewer.take_frame()
            if frame is None or not process.is_fresh(frame):
                await viewer.wait()
                continue
            yield _part(frame)
            await asyncio.sleep(0)  # Daphne writes nothing until it gets the loop


def _unrecorded(error: Exception) -> HttpResponse:
    """What sockets say by 1011."""
    log.error("a picture was not given out: %s", error)
    response = problem(503, UNRECORDED)
    response["Retry-After"] = "2"
    return response


def _part(frame: Frame) -> bytes:
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(frame.jpeg)}\r\n"
        f"X-Timestamp: {frame.timestamp}\r\n\r\n"
    )
    return head.encode() + frame.jpeg + b"\r\n" + DELIMITER
