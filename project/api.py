"""How REST is spoken here: lists a page at a time, one form of answer, bodies read with care."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotAcceptable, NotFound, ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import JSONParser


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
