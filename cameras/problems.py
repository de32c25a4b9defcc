"""Errors as RFC 9457 problem details, for whoever answers a program."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse

CONTENT_TYPE = "application/problem+json"


def body(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """The members of a problem; `more` adds its own."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


def problem(status: int, detail: str, **more: Any) -> JsonResponse:
    """A problem as a plain Django response."""
    response = JsonResponse(body(status, detail, **more), status=status, content_type=CONTENT_TYPE)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response
