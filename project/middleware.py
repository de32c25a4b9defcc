"""What every request and connection passes: ASGI wrappers, and Django's middleware for caching."""

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

from project.addresses import address_in

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[Any]]


class Guard:
    """Ends what an application left open when it raised.

    Under Daphne an exception after the response began stops the reaper of the whole process, so
    none may reach it. `CancelledError` passes: it is how a server stops.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched_send(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = begun or message["type"] in ("http.response.start", "websocket.accept")
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s %r failed", scope["type"], scope.get("path", ""))
            await self._end(scope["type"], begun, send)

    async def _end(self, kind: str, begun: bool, send: Send) -> None:
        if kind == "websocket":
            await send({"type": "websocket.close", "code": 1011})
        elif begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif kind == "http":
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send(
                {"type": "http.response.body", "body": b"The server failed on this request."}
            )


class TrustedProxies:
    """Believes `X-Forwarded-For` and `-Proto` only of the proxies that the settings name.

    The client is the last address in the list that is not itself such a proxy. Behind this door it
    has one spelling, whoever it is.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client and is_proxy(client[0]):
            headers = dict(scope["headers"])
            lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            if (outside := client_behind(lines)) is not None:
                client = (outside, 0)
            if headers.get(b"x-forwarded-proto", b"").strip() == b"https":
                scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"
        elif client and not self._warned:
            self._warn(client[0], scope.get("headers", ()))
        if client and (address := address_in(client[0])) is not None:
            scope["client"] = (str(address), client[1])  # a tuple, for uvicorn
        await self._app(scope, receive, send)

    def _warn(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Once: whoever is behind a proxy that is not named counts as that one address."""
        if any(name == b"x-forwarded-for" for name, _ in headers):
            self._warned = True
            log.warning(
                "X-Forwarded-For from %s is not believed. If that is your proxy, name it in "
                "SIDELINE_TRUSTED_PROXIES: else all who come through it share one address, and "
                "wrong passwords of one can lock out all.",
                peer,
            )


def client_behind(lines: list[bytes]) -> str | None:
    """The client that proxies of ours speak for, by the values of X-Forwarded-For; None if none."""
    hops = b",".join(lines).decode("latin-1").split(",")  # each proxy may add a line
    outside = [hop.strip() for hop in hops if hop.strip() and not is_proxy(hop.strip())]
    return outside[-1] if outside and address_in(outside[-1]) is not None else None


def is_proxy(text: str) -> bool:
    """Whether the settings name the address as a proxy of ours."""
    address = address_in(text)
    return address is not None and any(address in net for net in settings.TRUSTED_PROXIES)


class UnderPublicPath:
    """Serves under the path of SIDELINE_PUBLIC_URL, whether the proxy strips it or not."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._prefix = getattr(settings, "FORCE_SCRIPT_NAME", None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = self._prefix
        if prefix:
            path = scope["path"]
            if (path + "/").startswith(prefix + "/"):
                path = path[len(prefix) :] or "/"
            # Django makes links of the whole path; the sockets' router wants the rest.
            scope["path"] = prefix + path if scope["type"] == "http" else path
        await self._app(scope, receive, send)


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
