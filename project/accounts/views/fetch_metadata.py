"""Links that are tried by pages of others: a browser says so, and they are not even looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def opened_by_people(view: View[P]) -> View[P]:
    """403 for what a foreign page has a browser fetch. Eight wrong links as its pictures would lock
    that kind of link for everybody at the visitor's address."""

    @wraps(view)
    def opened(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if _is_fetched_by_others(request):
            raise PermissionDenied("A link is opened in a window of its own.")
        return view(request, *args, **kwargs)

    return opened


def _is_fetched_by_others(request: HttpRequest) -> bool:
    """Programs and old browsers say nothing. A frame is a navigation, too; so is what is loaded
    ahead, which the page may ask for as well."""
    said = request.headers
    return said.get("Sec-Fetch-Site") == "cross-site" and (
        said.get("Sec-Fetch-Mode") != "navigate"
        or said.get("Sec-Fetch-Dest", "document") != "document"
        or "prefetch" in said.get("Sec-Purpose", "")
    )
