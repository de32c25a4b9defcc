"""All routes of the product, from the URL configuration and the WebSocket routing."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from cameras.consumers import routing

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


def http_routes() -> set[str]:
    """Return the names of all HTTP routes; for a route without a name its pattern."""
    return set(_names(get_resolver().url_patterns, ""))


def websocket_routes() -> set[str]:
    """Return the names of all WebSocket routes."""
    return set(routing.routes)


def _names(patterns: list[URLPattern | URLResolver], namespace: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _names(pattern.url_patterns, inner)
        else:
            yield f"{namespace}{pattern.name or pattern.pattern}"
