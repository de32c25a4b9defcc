"""What a browser may do with our pages: a strict Content-Security-Policy, with nonces."""

from __future__ import annotations

import re
from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

# What a club's camera pages need of a browser's devices, and nothing else.
PERMISSIONS = "camera=(self), fullscreen=(self), microphone=(), geolocation=(), payment=(), usb=()"
# Django's admin and Swagger write HTML by script; our own pages do not.
_FOREIGN = ("admin", "api-docs")
# Of two `src` a browser takes the first, and quotes are not the only way to write one: so this is
# the whole of a tag, in the one form the admin has.
_MORE = rb'(?:\s+(?:async|defer|type="module"|id="[\w-]*"|data-[\w-]+="[^"<>]*"))*'
_SCRIPT = re.compile(
    rb"<script(?P<rest>" + _MORE + rb'\s+src="(?P<src>[\w./-]+)"' + _MORE + rb"\s*>)"
)


class ContentPolicy(CSPMiddleware):
    """Our templates name the nonce themselves (`{% module %}`); the admin's get it here.

    Only scripts out of the folder of static files, and its words: what somebody smuggled in gets
    none.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if _is(request, "admin"):
            self._give_nonces(request, response)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        answered: HttpResponseBase = super().process_response(request, response)
        return answered

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if any(_is(request, name) for name in _FOREIGN):
            parts.replace = {"require-trusted-types-for": None, "trusted-types": None}
        return parts

    def _give_nonces(self, request: Any, response: Any) -> None:
        if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
            return
        static, words = settings.STATIC_URL.encode(), reverse("admin:jsi18n").encode()

        def tag(found: re.Match[bytes]) -> bytes:
            ours = found["src"].startswith(static) or found["src"] == words
            if not ours or b".." in found["src"]:
                return found[0]
            return b'<script nonce="' + str(request.csp_nonce).encode() + b'"' + found["rest"]

        response.content = _SCRIPT.sub(tag, response.content)
        if response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))


def _is(request: HttpRequest, name: str) -> bool:
    """Whether a view of that name space, or of that name, has answered."""
    match = request.resolver_match
    return match is not None and (match.app_name == name or match.url_name == name)
