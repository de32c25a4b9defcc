"""Errors as RFC 9457 problem details."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import JsonResponse

PROBLEM_TYPE = "application/problem+json"
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
PROBLEM_SCHEMA = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A plain sentence."},
        "errors": {"type": "object", "description": "Sentences by field, for status 400."},
    },
}


def problem_body(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members of a problem; `more` adds extension members."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


def problem(status: int, detail: str, **more: Any) -> JsonResponse:
    """Return a problem as a Django response."""
    response = JsonResponse(
        problem_body(status, detail, **more), status=status, content_type=PROBLEM_TYPE
    )
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def problem_response(description: str) -> dict[str, Any]:
    """Return the OpenAPI response object of a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }
