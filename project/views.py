"""Health, and the pages for what went wrong: problems for programs, pages for people."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from cameras.models import Camera, CameraState, Kind
from project.problems import PROBLEM_TYPE, problem, problem_body

_FOR_PROGRAMS = re.compile(r"^/(api/|chats/[^/]+/messages)")
STALLED = timedelta(seconds=60)


def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database and the channel layer answer and some camera delivers; else 503.

    Only cameras that the server reads itself are awaited: a client must be let in to push.
    No details: it needs no credential.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        async_to_sync(_ask_layer)()
        ready = _frames_arrive()
    except Exception:
        ready = False
    text = "ready\n" if ready else "not ready\n"
    return HttpResponse(text, content_type="text/plain", status=200 if ready else 503)


async def _ask_layer() -> None:
    layer = get_channel_layer()
    await layer.group_send("sideline.ready", {"type": "ready"})


def _frames_arrive() -> bool:
    enabled = Camera.objects.filter(enabled=True).exclude(kind=Kind.PUSH)
    fresh = CameraState.objects.filter(last_frame_at__gt=timezone.now() - STALLED)
    return not enabled.exists() or fresh.filter(camera__in=enabled).exists()


def _answer(request: HttpRequest, status: int, template: str, detail: str) -> HttpResponse:
    if _FOR_PROGRAMS.match(request.path_info):
        return problem(status, detail)
    return render(request, template, {"reason": detail}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, e.g. for a Host header that is not ours."""
    if _FOR_PROGRAMS.match(request.path_info):
        return problem(400, "The request is malformed.")
    return HttpResponse("The request is malformed.\n", content_type="text/plain", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 for a member without the role."""
    return _answer(request, 403, "403.html", str(exception) or "Your role does not allow this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, also for what belongs to others."""
    return _answer(request, 404, "404.html", "There is nothing here.")


def failed(request: HttpRequest) -> HttpResponse:
    """500; the traceback is in the log."""
    if _FOR_PROGRAMS.match(request.path_info):
        return problem(500, "The server failed on this request; it has been logged.")
    return render(None, "500.html", status=500)


def csrf_failure(request: HttpRequest, reason: str = "", **more: Any) -> HttpResponse:
    """403 for a form that was sent from elsewhere, or whose page was too old."""
    detail = "This form has expired or was sent from another page. Reload it and try again."
    return _answer(request, 403, "403.html", detail)


def as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. A validation error carries `errors: {field: [sentence]}`."""
    response = exception_handler(error, context)
    if response is None:
        return None
    more: dict[str, Any] = {}
    if isinstance(error, exceptions.ValidationError):
        fields = response.data if isinstance(response.data, dict) else {"body": response.data}
        more["errors"] = fields
        detail = _first_sentence(fields)
    elif isinstance(error, Http404):
        detail = "There is nothing here."
    elif isinstance(error, PermissionDenied):
        detail = str(error) or "Your role does not allow this."
    else:
        detail = str(getattr(error, "detail", error))
    response.data = problem_body(response.status_code, detail, **more)
    response.content_type = PROBLEM_TYPE
    return response


def _first_sentence(found: Any) -> str:
    while isinstance(found, dict | list) and found:
        found = next(iter(found.values())) if isinstance(found, dict) else found[0]
    return str(found)
