"""Base classes of the REST API: pagination, content negotiation and the JSON parser."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
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
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValidationError, ValueError, OverflowError):
            raise NotFound("The cursor is not valid.") from None


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
