"""Every door there is: walked out of the URL configuration and the routes of the sockets."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from cameras.consumers import routing

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


def doors() -> set[str]:
    """The names of all HTTP routes; a route without a name is called by its pattern."""
    return set(_names(get_resolver().url_patterns, ""))


def sockets() -> set[str]:
    """The names of all WebSocket routes."""
    return set(routing.doors)


def _names(patterns: list[URLPattern | URLResolver], space: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _names(pattern.url_patterns, inner)
        else:
            yield f"{space}{pattern.name or pattern.pattern}"
