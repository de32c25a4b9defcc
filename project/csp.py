"""Content-Security-Policy with nonces, and Permissions-Policy."""

from __future__ import annotations

import re
from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

# The pages use the camera (publishing) and full screen, and no other feature.
PERMISSIONS = "camera=(self), fullscreen=(self), microphone=(), geolocation=(), payment=(), usb=()"
# Scripts of Django's admin and of Swagger set HTML; the product's own do not.
_THIRD_PARTY = ("admin", "api-docs")
# Matches a whole script tag, in the exact form that the admin's templates use. A looser pattern
# could be fooled: of two `src` a browser uses the first, and quotes are optional in HTML.
_ATTRIBUTES = rb'(?:\s+(?:async|defer|type="module"|id="[\w-]*"|data-[\w-]+="[^"<>]*"))*'
_SCRIPT = re.compile(
    rb"<script(?P<rest>" + _ATTRIBUTES + rb'\s+src="(?P<src>[\w./-]+)"' + _ATTRIBUTES + rb"\s*>)"
)


class ContentPolicy(CSPMiddleware):
    """Sends the policy, and adds the nonce to script tags of Django's admin.

    The product's templates add it themselves (`{% module %}`). In the admin only scripts from the
    static folder and its translation catalogue get it, so injected script tags get none.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if _is(request, "admin"):
            self._add_nonces(request, response)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        processed: HttpResponseBase = super().process_response(request, response)
        return processed

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if any(_is(request, name) for name in _THIRD_PARTY):
            parts.replace = {"require-trusted-types-for": None, "trusted-types": None}
        return parts

    def _add_nonces(self, request: Any, response: Any) -> None:
        if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
            return
        static, catalogue = settings.STATIC_URL.encode(), reverse("admin:jsi18n").encode()

        def with_nonce(match: re.Match[bytes]) -> bytes:
            is_own = match["src"].startswith(static) or match["src"] == catalogue
            if not is_own or b".." in match["src"]:
                return match[0]
            return b'<script nonce="' + str(request.csp_nonce).encode() + b'"' + match["rest"]

        response.content = _SCRIPT.sub(with_nonce, response.content)
        if response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))


def _is(request: HttpRequest, name: str) -> bool:
    """True if the response is of a view with this app name or URL name."""
    match = request.resolver_match
    return match is not None and (match.app_name == name or match.url_name == name)
