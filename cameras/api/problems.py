"""What DRF raises, as problem details."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from cameras.problems import CONTENT_TYPE, body


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
    response.data = body(response.status_code, detail, **more)
    response.content_type = CONTENT_TYPE
    return response


def _first_sentence(found: Any) -> str:
    while isinstance(found, dict | list) and found:
        found = next(iter(found.values())) if isinstance(found, dict) else found[0]
    return str(found)
