"""Health checks and error responses: problem details for the API, pages for browsers."""

from __future__ import annotations

import re
import sys
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from project.database import probe
from project.database.errors import unavailability
from project.database.health import RETRY_AFTER_S, SENTENCE, health
from project.problems import PROBLEM_TYPE, SERVER_FAILED, problem, problem_body

_API_PATHS = re.compile(r"^/(api/|chats/[^/]+/messages)")


def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: 200."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Readiness: 200 if the database can be written and the channel layer works; else 503.

    Cameras do not count: their pages, on which they are repaired, must stay reachable. The
    response has no details, because it needs no credential.
    """
    ready = probe.readiness.is_writable()
    try:
        async_to_sync(_check_channel_layer)()
    except Exception:
        ready = False
    text = "ready\n" if ready else "not ready\n"
    return HttpResponse(text, content_type="text/plain", status=200 if ready else 503)


async def _check_channel_layer() -> None:
    layer = get_channel_layer()
    await layer.group_send("sideline.ready", {"type": "ready"})


def _error_response(request: HttpRequest, status: int, template: str, detail: str) -> HttpResponse:
    if _API_PATHS.match(request.path_info):
        return problem(status, detail)
    return render(request, template, {"reason": detail}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, e.g. for a Host header that is not allowed; 503 if a session could not be stored."""
    if unavailability(exception) is not None:
        return _unavailable(request, exception)
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
    """500, with a traceback in the log; 503 if the database cannot be used.

    Django calls this for every exception, of views of any kind, middleware and templates.
    """
    error = sys.exc_info()[1]
    if error is not None and unavailability(error) is not None:
        return _unavailable(request, error)
    if _API_PATHS.match(request.path_info):
        return problem(500, SERVER_FAILED)
    return render(None, "500.html", status=500)


def _unavailable(request: HttpRequest, error: BaseException) -> HttpResponse:
    """503, for clients to try again. Only a page that changes nothing does so by itself."""
    health.report(error)
    health.count_refusal()
    response: HttpResponse
    if _API_PATHS.match(request.path_info):
        response = problem(503, SENTENCE)
    else:
        seconds = RETRY_AFTER_S if request.method in ("GET", "HEAD") else None
        response = render(None, "503.html", {"seconds": seconds}, status=503)
    response["Retry-After"] = str(RETRY_AFTER_S)
    return response


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
