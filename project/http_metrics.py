"""Counts requests by route, method and status, for Prometheus.

WebSockets are no requests here, and neither is what the server refuses before Django: bodies that
are too large, and malformed requests. If the client leaves before the response begins, the status
is "aborted", and there is no duration.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.admindocs.views import simplify_regex
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import Counter, Histogram

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter(
    "sideline_http_requests",
    "Requests; those of streams count when the stream begins.",
    ["route", "method", "status"],
    registry=None,
)
DURATIONS = Histogram(
    "sideline_http_request_duration_seconds",
    "From the request to the first byte of its response.",
    ["route"],
    buckets=BUCKETS_S,
    registry=None,
)
COLLECTORS = (REQUESTS, DURATIONS)


@sync_and_async_middleware
def count_requests(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Count each response. Django's outermost middleware, so that none is missed."""
    if iscoroutinefunction(get_response):
        answer: Callable[[HttpRequest], Awaitable[HttpResponseBase]] = get_response

        async def count_asynchronous(request: HttpRequest) -> HttpResponseBase:
            began = time.monotonic()
            try:
                response = await answer(request)
            except asyncio.CancelledError:  # the client has left
                _count(request, "aborted")
                raise
            _count(request, str(response.status_code), time.monotonic() - began)
            return response

        return count_asynchronous

    def count_synchronous(request: HttpRequest) -> HttpResponseBase:
        began = time.monotonic()
        response: HttpResponseBase = get_response(request)
        _count(request, str(response.status_code), time.monotonic() - began)
        return response

    return count_synchronous


def _count(request: HttpRequest, status: str, seconds: float | None = None) -> None:
    """Count a request; `seconds` is the time until its response began, if it did."""
    route = _route(request)
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(route, method, status).inc()
    if seconds is not None:
        DURATIONS.labels(route).observe(seconds)


def _route(request: HttpRequest) -> str:
    """Return the URL's pattern: there are few, whatever clients ask for."""
    if request.resolver_match is not None:
        return _readable(request.resolver_match.route)
    # STATIC_URL begins with the path of SIDELINE_PUBLIC_URL, as `path` does.
    return "static" if request.path.startswith(settings.STATIC_URL) else "other"


@lru_cache(maxsize=1024)  # more than there are patterns
def _readable(pattern: str) -> str:
    return simplify_regex(pattern).replace("\\", "").rstrip("/") or "/"
