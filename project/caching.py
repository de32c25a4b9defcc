"""Who may keep an answer: nobody, unless its view says so, for nearly all are one person's.

Static files do not come by here.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

PUBLIC = frozenset({"healthz", "readyz", "api-schema"})
PICTURES = ("image/", "multipart/x-mixed-replace")


class Private(MiddlewareMixin):
    """Says so in the headers."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        match = request.resolver_match
        if match is not None and match.url_name in PUBLIC:
            return response
        response.headers.setdefault("Cache-Control", "private, no-store")
        patch_vary_headers(response, ["Cookie", "Authorization"])
        if response.headers.get("Content-Type", "").startswith(PICTURES) and not _embedded():
            # Else any page may show it, in a process that reads its memory.
            response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


def _embedded() -> bool:
    """Whether pages of other origins are to show our pictures."""
    url = settings.PUBLIC_URL
    own = f"{url.scheme}://{url.netloc.lower()}" if url is not None else ""
    return any(origin != own for origin in settings.TRUSTED_ORIGINS)
