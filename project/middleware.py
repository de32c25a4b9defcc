"""ASGI middleware around the whole application, and Django middleware for caching headers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

from project.addresses import parse_address

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[Any]]


_BEGINNINGS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


class ErrorBoundary:
    """Completes the response or closes the socket if the application raises.

    Under Daphne, an exception after the response began stops the process's reaper of closed
    connections, so none may reach it. `CancelledError` passes: servers stop tasks with it.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def tracking_send(message: MutableMapping[str, Any]) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] in _BEGINNINGS
            await send(message)

        try:
            await self._app(scope, receive, tracking_send)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s %r failed", scope["type"], scope.get("path", ""))
            await self._end(scope, has_begun, send)

    async def _end(self, scope: Scope, has_begun: bool, send: Send) -> None:
        kind = scope["type"]
        if kind == "websocket":
            if not has_begun:  # refused with 403, it would look like a right that was withdrawn
                await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1011})
        elif has_begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif kind == "http":
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send(
                {"type": "http.response.body", "body": b"The server failed on this request."}
            )


class TrustedProxies:
    """Sets client and scheme from `X-Forwarded-For` and `-Proto`, if a trusted proxy sent them.

    The client is the last address in the list that is not a trusted proxy. In `scope["client"]`
    addresses are in canonical form, also those of direct clients.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client and is_trusted_proxy(client[0]):
            headers = dict(scope["headers"])
            values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            if (forwarded := forwarded_client(values)) is not None:
                client = (forwarded, 0)
            if headers.get(b"x-forwarded-proto", b"").strip() == b"https":
                scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"
        elif client and not self._warned:
            self._warn(client[0], scope.get("headers", ()))
        if client and (address := parse_address(client[0])) is not None:
            scope["client"] = (str(address), client[1])  # a tuple, for uvicorn
        await self._app(scope, receive, send)

    def _warn(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Warn once of an untrusted proxy: all clients behind it count as one address."""
        if any(name == b"x-forwarded-for" for name, _ in headers):
            self._warned = True
            log.warning(
                "X-Forwarded-For from %s is ignored. If that is your proxy, list it in "
                "SIDELINE_TRUSTED_PROXIES: otherwise all clients behind it share one address, and "
                "one client's wrong passwords can lock out all of them.",
                peer,
            )


def forwarded_client(values: list[bytes]) -> str | None:
    """Return the client that trusted proxies report in X-Forwarded-For headers, if any."""
    hops = b",".join(values).decode("latin-1").split(",")  # each proxy may add a header
    untrusted = [hop.strip() for hop in hops if hop.strip() and not is_trusted_proxy(hop.strip())]
    return untrusted[-1] if untrusted and parse_address(untrusted[-1]) is not None else None


def is_trusted_proxy(text: str) -> bool:
    """True if SIDELINE_TRUSTED_PROXIES contains the address."""
    address = parse_address(text)
    return address is not None and any(address in net for net in settings.TRUSTED_PROXIES)


class PublicPathPrefix:
    """Serves under the path of SIDELINE_PUBLIC_URL, whether or not the proxy strips it."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._prefix = getattr(settings, "FORCE_SCRIPT_NAME", None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = self._prefix
        if prefix:
            path = scope["path"]
            if (path + "/").startswith(prefix + "/"):
                path = path[len(prefix) :] or "/"
            # Django builds links from the whole path; the WebSocket router needs the rest.
            scope["path"] = prefix + path if scope["type"] == "http" else path
        await self._app(scope, receive, send)


PUBLIC_URL_NAMES = frozenset({"healthz", "readyz", "api-schema", "api-asyncapi"})
PICTURE_TYPES = ("image/", "multipart/x-mixed-replace")


class PrivateResponses(MiddlewareMixin):
    """Marks responses as private, so that no shared cache stores them, and no cache pictures."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        match = request.resolver_match
        if match is not None and match.url_name in PUBLIC_URL_NAMES:
            return response
        is_picture = response.headers.get("Content-Type", "").startswith(PICTURE_TYPES)
        response.headers.setdefault("Cache-Control", "private, no-store")
        if is_picture and "no-store" not in response.headers["Cache-Control"]:
            # A copy in a browser's cache would outlive the right to see it, and the masks.
            response.headers["Cache-Control"] = "private, no-store"
        patch_vary_headers(response, ["Cookie", "Authorization"])
        if is_picture and not _allows_embedding():
            # Otherwise any page may embed the picture; a Spectre attack there could read it.
            response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


def _allows_embedding() -> bool:
    """True if the settings trust other origins, whose pages may then show pictures."""
    url = settings.PUBLIC_URL
    own = f"{url.scheme}://{url.netloc.lower()}" if url is not None else ""
    return any(origin != own for origin in settings.TRUSTED_ORIGINS)
