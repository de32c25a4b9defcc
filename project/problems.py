"""Errors as RFC 9457 problem details: of responses, and of WebSocket handshakes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import JsonResponse

SERVER_FAILED = "The server failed on this request; it has been logged."
PROBLEM_TYPE = "application/problem+json"


def problem_body(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members of a problem; `more` adds extension members."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


def encode_problem(status: int, detail: str, **more: Any) -> bytes:
    """Return a problem as the bytes of a body, for refusals that are not Django responses."""
    return json.dumps(problem_body(status, detail, **more)).encode()


def problem(status: int, detail: str, **more: Any) -> JsonResponse:
    """Return a problem as a Django response."""
    response = JsonResponse(
        problem_body(status, detail, **more), status=status, content_type=PROBLEM_TYPE
    )
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def field_problem(field: str, sentence: str, status: int = 400) -> JsonResponse:
    """Return a problem with the value of one field of the request."""
    return problem(status, sentence, errors={field: [sentence]})


async def refuse_handshake(
    scope: Mapping[str, Any],
    send: Callable[[Any], Awaitable[None]],
    status: int,
    detail: str,
    **more: Any,
) -> None:
    """Refuse a WebSocket before it is accepted, with a problem if the server can send one.

    ASGI's extension `websocket.http.response` does; without it the server answers a bare 403.
    """
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    body = encode_problem(status, detail, **more)
    headers = [
        (b"content-type", PROBLEM_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})
