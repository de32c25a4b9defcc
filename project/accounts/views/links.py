"""The pages of one-time links, and the refusal of links that a foreign page loads."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from project.accounts.throttling.attempts import is_locked, record_failure
from project.accounts.views.lockout import locked_out

P = ParamSpec("P")
T = TypeVar("T")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def link_page(
    name: str, find: Callable[P, T | None]
) -> Callable[[Callable[Concatenate[HttpRequest, T, P], HttpResponse]], View[P]]:
    """Decorate a view to be called with what `find` returns for the secret in the URL.

    None stands for a guess, which is counted under `name`. GET shows the link and changes nothing,
    so that a link preview cannot use it up; POST uses it up.
    """

    def decorate(view: Callable[Concatenate[HttpRequest, T, P], HttpResponse]) -> View[P]:
        @never_cache
        @require_http_methods(["GET", "HEAD", "POST"])
        @refuse_cross_site_fetch
        @wraps(view)
        def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if is_locked(request, name):
                return locked_out(request)
            link = find(*args, **kwargs)
            if link is None:
                record_failure(request, name)
                return link_ended(request, name)
            return view(request, link, *args, **kwargs)

        return page

    return decorate


def link_ended(request: HttpRequest, name: str) -> HttpResponse:
    """Return the same response for wrong, used, expired and revoked links."""
    return render(request, "accounts/link_ended.html", {"link": name}, status=410)


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
