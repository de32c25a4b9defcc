"""Refusal of one-time links that a foreign page loads, by the Fetch Metadata headers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def refuse_cross_site_fetch(view: View[P]) -> View[P]:
    """Decorate a view to answer 403 if another site's page loads it other than as a top page.

    Otherwise such a page could embed eight wrong links as images, and so lock this kind of link for
    everyone at the visitor's address.
    """

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if _is_cross_site_fetch(request):
            raise PermissionDenied("A link is opened in a window of its own.")
        return view(request, *args, **kwargs)

    return checked


def _is_cross_site_fetch(request: HttpRequest) -> bool:
    """Return False without the headers, as from programs and old browsers.

    Frames and prefetches have the mode `navigate` too, hence the other headers.
    """
    headers = request.headers
    return headers.get("Sec-Fetch-Site") == "cross-site" and (
        headers.get("Sec-Fetch-Mode") != "navigate"
        or headers.get("Sec-Fetch-Dest", "document") != "document"
        or "prefetch" in headers.get("Sec-Purpose", "")
    )
