"""Base classes of the REST API: pagination, parameters, content negotiation and the JSON parser."""

from __future__ import annotations

import base64
import json
from typing import Any

from django.core.exceptions import ValidationError
from rest_framework import exceptions
from rest_framework.exceptions import NotAcceptable, NotFound, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import JSONParser


class CreatedAtCursorPagination(CursorPagination):
    """Oldest first. A cursor stays valid while rows are added and deleted. `?limit=` up to 200."""

    ordering = ("created_at", "pk")
    page_size_query_param = "limit"
    max_page_size = 200

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        self.get_page_size(request)  # its error is no error of the cursor
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValidationError, ValueError, OverflowError):
            raise bad_parameter("cursor", "that of a link in “next” or “previous”") from None

    def decode_cursor(self, request: Any) -> Any:
        """DRF's, which takes the first page for what is no base64. Raises `ValueError`."""
        text = request.query_params.get(self.cursor_query_param)
        if text is not None and not base64.b64decode(text.encode("ascii"), validate=True):
            raise ValueError("The cursor is empty.")
        return super().decode_cursor(request)

    def get_page_size(self, request: Any) -> int:
        """Return `?limit=`. Raises 400 if it is no number of rows that a page may have."""
        text = request.query_params.get(self.page_size_query_param, str(self.page_size))
        is_number = len(text) < 9 and text.isascii() and text.isdigit()
        if not (is_number and 1 <= int(text) <= self.max_page_size):
            raise bad_parameter("limit", f"a whole number from 1 to {self.max_page_size}")
        return int(text)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page; DRF's own description has an example that is not a URL."""
        url = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": url, "previous": url, "results": schema},
        }


_FLAGS = {"1": True, "true": True, "0": False, "false": False}


def flag_in(request: Any, name: str) -> bool | None:
    """Return a parameter of the URL that is true or false; None without it. Raises 400."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if text.lower() not in _FLAGS:
        raise bad_parameter(name, "“true” or “false”")
    return _FLAGS[text.lower()]


def bad_parameter(name: str, allowed: str) -> exceptions.ValidationError:
    """Return the error 400 for a parameter of the URL, with what is allowed."""
    return exceptions.ValidationError({name: [f"“{name}” must be {allowed}, or left out."]})


class JSONOnlyNegotiation(DefaultContentNegotiation):
    """Responds in JSON whatever the Accept header says, instead of 406."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable:
            return renderers[0], renderers[0].media_type


class StrictJSONParser(JSONParser):
    """A JSON parser that refuses (400) deep nesting and text that cannot be encoded as UTF-8."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            data = super().parse(*args, **kwargs)
            json.dumps(data, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("The JSON is nested too deep.") from None
        except UnicodeEncodeError:
            raise ParseError("The JSON holds half of a surrogate pair.") from None
        return data
