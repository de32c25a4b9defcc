"""All routes of the product, from the URL configuration and the WebSocket routing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from cameras.consumers import routing

DOCUMENTS = {"api-schema", "api-asyncapi", "api-docs"}  # of the API, open to everybody
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


def credential_paths(credential: str) -> dict[str, str]:
    """Return a path with the credential in it for each route that takes one, by the route's name.

    Such a route has a parameter that may be any text. The admin's are not meant: ids of rows.
    """
    found = dict(_credential_paths(get_resolver().url_patterns, "/", credential))
    for name, route in routing.routes.items():
        found[name] = "/" + re.sub(r"\(.*?\)(/\?\$)?", credential, str(route.pattern)).lstrip("^")
    return found


def _credential_paths(
    patterns: list[URLPattern | URLResolver], start: str, credential: str
) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = start + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if not pattern.namespace:
                yield from _credential_paths(pattern.url_patterns, route, credential)
        elif "<str:" in route:
            yield str(pattern.name), re.sub("<str:[a-z]+>", credential, route)
