"""How REST is spoken here: RFC 9457 problem details, pages by cursor, bodies read with care."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.exceptions import NotAcceptable, NotFound, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import JSONParser
from rest_framework.response import Response
from rest_framework.views import exception_handler

PROBLEM_TYPE = "application/problem+json"


def problem_body(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """The members of a problem; `more` adds its own."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


def problem(status: int, detail: str, **more: Any) -> JsonResponse:
    """A problem as a plain Django response."""
    response = JsonResponse(
        problem_body(status, detail, **more), status=status, content_type=PROBLEM_TYPE
    )
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


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


class CursorPages(CursorPagination):
    """Newest last; a cursor stays right while rows come and go. `?limit=` up to 200."""

    ordering = ("created_at", "pk")
    page_size_query_param = "limit"
    max_page_size = 200

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValidationError, ValueError, OverflowError):
            raise NotFound("The cursor is not one of ours.") from None


class JSONOnly(DefaultContentNegotiation):
    """Answers in the one form there is, whatever the client says it accepts: 406 helps nobody."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable:
            return renderers[0], renderers[0].media_type


class FlatJSON(JSONParser):
    """JSON whose nesting does not exhaust the interpreter, and whose texts can be written again."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            found = super().parse(*args, **kwargs)
            json.dumps(found, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("The JSON is nested too deep.") from None
        except UnicodeEncodeError:
            raise ParseError("The JSON holds half of a surrogate pair.") from None
        return found


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


def problem_response(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": schema}},
    }
