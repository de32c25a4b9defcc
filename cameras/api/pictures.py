"""A camera's newest picture as JPEG, and its live picture as an endless MJPEG stream."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import wraps
from typing import Any

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date

from cameras.api.picture_access import is_key, open_camera
from cameras.live import services
from cameras.live.formats import MjpegViewer
from cameras.live.frames import Frame
from cameras.live.variants import UnknownValue, Variant
from cameras.models import Camera
from cameras.models.states import SWITCHED_OFF
from project.accounts.access import grant_on_resource
from project.accounts.authentication import Denied, methods
from project.accounts.credentials import Actor
from project.audit.log import Action
from project.audit.open_views import View
from project.audit.recent_views import claim_connection, log_picture
from project.audit.requesters import Requester
from project.audit.view_log import ServerIsStopping, ViewNotRecorded
from project.problems import field_problem, problem

log = logging.getLogger(__name__)

BOUNDARY = "sideline"
MULTIPART = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
DELIMITER = f"--{BOUNDARY}\r\n".encode()
POLL_S = 0.02  # between checks whether the reader has taken the part before
UNRECORDED = "Views cannot be recorded just now, so none can begin. Try again in a moment."
STOPPING = "The server is being stopped. Try again in a moment."


PictureView = Callable[[HttpRequest, Camera, Actor, Variant], Awaitable[HttpResponseBase]]


def _opens_camera(view: PictureView) -> Callable[[HttpRequest, str], Any]:
    """Decorate a view of the camera that `name`, an id or a stream key, stands for.

    Refuses callers without access, and variants that do not exist (400).
    """

    @methods("GET", "HEAD")
    @wraps(view)
    async def opened(request: HttpRequest, name: str) -> HttpResponseBase:
        try:
            camera, actor = await database_sync_to_async(open_camera)(request, name)
            variant = Variant.from_query(request.GET.dict())
            response = await view(request, camera, actor, variant)
        except Denied as denied:
            response = denied.response
        except UnknownValue as error:
            response = field_problem(error.field, error.sentence)
        if is_key(name):  # the URL is the credential
            response["Referrer-Policy"] = "no-referrer"
            response["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return opened


@_opens_camera
async def snapshot(
    request: HttpRequest, camera: Camera, actor: Actor, variant: Variant
) -> HttpResponseBase:
    """Return the newest frame as image/jpeg with Last-Modified, or 503 with the reason."""
    if not camera.enabled:
        return _no_picture(SWITCHED_OFF, state="ended")
    frame = await services.newest_frame(camera, variant)
    if frame is None:
        state = await database_sync_to_async(camera.current_state)()
        reason = state.reason or "No picture arrived within a second."
        return _no_picture(reason, state=state.state)
    with_body = request.method != "HEAD"
    if with_body:  # HEAD sends no picture, so there is no view to record
        try:
            await database_sync_to_async(log_picture)(
                Requester.of(request, actor), camera, Action.SNAPSHOT
            )
        except DatabaseError as error:
            return _not_recorded(error)
    response = HttpResponse(frame.jpeg if with_body else b"", content_type="image/jpeg")
    response["Content-Length"] = str(len(frame.jpeg))
    response["Last-Modified"] = http_date(frame.timestamp / 1000)
    response["X-Timestamp"] = str(frame.timestamp)
    response["X-Age-Ms"] = str(frame.age_ms)
    response["Content-Disposition"] = f'inline; filename="{camera.pk}-{frame.timestamp}.jpg"'
    return response


@_opens_camera
async def mjpeg(
    request: HttpRequest, camera: Camera, actor: Actor, variant: Variant
) -> HttpResponseBase:
    """Stream JPEGs as multipart/x-mixed-replace until the reader leaves or loses access.

    The newest frame wins: a slow reader misses frames. 503 if the view cannot be recorded. HEAD
    returns the same headers at once.
    """
    if request.method == "HEAD":
        return _without_buffering(StreamingHttpResponse(_nothing(), content_type=MULTIPART))
    requester = Requester.of(request, actor)
    view = await database_sync_to_async(claim_connection)(requester, camera, Action.WATCH_MJPEG)
    scope: dict[str, Any] = getattr(request, "scope", {})
    waiting = scope.get("extensions", {}).get("sideline.waiting")
    parts = _parts(camera, actor, view, variant, waiting)
    try:
        await anext(parts)
    except ViewNotRecorded as error:
        return _not_recorded(error)
    return _without_buffering(StreamingHttpResponse(parts, content_type=MULTIPART))


async def _nothing() -> AsyncGenerator[bytes, None]:
    """Yield no bytes: the body of HEAD, which then has no Content-Length either."""
    return
    yield b""


def _without_buffering(response: HttpResponseBase) -> HttpResponseBase:
    """Set the headers by which proxies pass each part on as it comes."""
    response["Cache-Control"] = "no-store, no-transform"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    return response


async def _parts(
    camera: Camera,
    actor: Actor,
    view: View,
    variant: Variant,
    waiting: Callable[[], int] | None,
) -> AsyncGenerator[bytes, None]:
    """Yield the stream's bytes. `waiting` returns how many bytes the connection still holds.

    The first item is empty and comes once the view is recorded. Raises `ViewNotRecorded`. From
    then on the event loop closes the generator, even if the response is never sent.
    """
    ended = asyncio.Event()
    await services.view_log().begin(view)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(services.view_log().end, view)
        viewer = services.hub().join(
            str(camera.pk),
            lambda feed: MjpegViewer(feed, variant),
            variant.width,
            mask_version=camera.mask_version,
        )
        cleanup.callback(viewer.leave)

        def end(code: int) -> None:
            ended.set()
            viewer.wake()

        viewer.on_failure = lambda: end(1011)
        services.connection_monitor().watch(
            viewer, grant_on_resource(actor, "read", camera.pk), end
        )
        cleanup.callback(services.connection_monitor().forget, viewer)
        yield b""
        # Sent at once, which also sends the status line, and after each part: browsers show a part
        # only when the next one begins.
        yield DELIMITER
        while not ended.is_set():
            if waiting is not None and waiting():
                await asyncio.sleep(POLL_S)
                continue
            frame = viewer.take_frame()
            if frame is None or not frame.is_fresh:
                await viewer.wait()
                continue
            yield _part(frame)
            await asyncio.sleep(0)  # Daphne writes nothing until it gets the loop


def _not_recorded(error: Exception) -> HttpResponse:
    """Return 503. Sockets close with 1011 instead, or with 1001 if the server stops."""
    if isinstance(error, ServerIsStopping):
        return _no_picture(STOPPING)
    log.error("picture refused because the view cannot be recorded: %s", error)
    return _no_picture(UNRECORDED)


def _no_picture(reason: str, **more: str) -> HttpResponse:
    """Return 503 with Retry-After."""
    response = problem(503, reason, **more)
    response["Retry-After"] = "2"
    return response


def _part(frame: Frame) -> bytes:
    """Encode a frame as one part, followed by the delimiter that begins the next."""
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(frame.jpeg)}\r\n"
        f"X-Timestamp: {frame.timestamp}\r\n\r\n"
    )
    return head.encode() + frame.jpeg + b"\r\n" + DELIMITER
