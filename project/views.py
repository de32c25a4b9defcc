"""Health checks and error responses: problem details for the API, pages for browsers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from cameras.models import Camera, CameraState, Kind
from cameras.models.states import State
from project.problems import PROBLEM_TYPE, SERVER_FAILED, problem, problem_body

_API_PATHS = re.compile(r"^/(api/|chats/[^/]+/messages)")
STALLED_AFTER = timedelta(seconds=60)


def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: 200."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: 200 if the database and the channel layer work and some camera delivers; else 503.

    Push cameras do not count: they deliver only once clients can connect. The response has no
    details, because it needs no credential.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        async_to_sync(_check_channel_layer)()
        ready = _is_frame_fresh()
    except Exception:
        ready = False
    text = "ready\n" if ready else "not ready\n"
    return HttpResponse(text, content_type="text/plain", status=200 if ready else 503)


async def _check_channel_layer() -> None:
    layer = get_channel_layer()
    await layer.group_send("sideline.ready", {"type": "ready"})


def _is_frame_fresh() -> bool:
    """True if some enabled camera delivers, or none is enabled."""
    enabled = Camera.objects.filter(enabled=True).exclude(kind=Kind.PUSH)
    confirmed = Q(state=State.LIVE, reported_at__gt=Now() - STALLED_AFTER)
    # By the clock of another host, which may be wrong: not alone, and not if it is from the future.
    now = timezone.now()
    recent = Q(last_frame_at__range=(now - STALLED_AFTER, now + STALLED_AFTER))
    fresh = CameraState.objects.filter(confirmed | recent, camera__in=enabled)
    return not enabled.exists() or fresh.exists()


def _error_response(request: HttpRequest, status: int, template: str, detail: str) -> HttpResponse:
    if _API_PATHS.match(request.path_info):
        return problem(status, detail)
    return render(request, template, {"reason": detail}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, e.g. for a Host header that is not allowed."""
    if _API_PATHS.match(request.path_info):
        return problem(400, "The request is malformed.")
    return HttpResponse("The request is malformed.\n", content_type="text/plain", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 for a member without the role."""
    return _error_response(
        request, 403, "403.html", str(exception) or "Your role does not allow this."
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, also for objects of other organizations."""
    return _error_response(request, 404, "404.html", "There is nothing here.")


def server_error(request: HttpRequest) -> HttpResponse:
    """500; the traceback is in the log."""
    if _API_PATHS.match(request.path_info):
        return problem(500, SERVER_FAILED)
    return render(None, "500.html", status=500)


def csrf_failure(request: HttpRequest, reason: str = "", **more: Any) -> HttpResponse:
    """403 for a form from another origin, or from a page with an old CSRF token."""
    detail = "This form has expired or was sent from another page. Reload it and try again."
    return _error_response(request, 403, "403.html", detail)


def as_problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return an exception as a problem. DRF's exception handler.

    A validation error has `errors: {field: [sentence]}`. None means that it is not for DRF.
    """
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


def _first_sentence(errors: Any) -> str:
    while isinstance(errors, dict | list) and errors:
        errors = next(iter(errors.values())) if isinstance(errors, dict) else errors[0]
    return str(errors)
