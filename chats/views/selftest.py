"""The stream of the self-test. To a proxy it looks exactly like a chat's stream."""

from __future__ import annotations

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from chats.selftest import probe
from project.accounts.authentication import methods


@methods("GET")
async def stream(request: HttpRequest, ticket: str) -> HttpResponseBase:
    """Stream the events of a ticket; each ticket works once, then 404."""
    found = await probe.claim(ticket)
    if found is None:
        raise Http404
    response = StreamingHttpResponse(
        probe.tell(found), content_type="text/event-stream; charset=utf-8"
    )
    response["Cache-Control"] = "no-cache"
    if not found.bare:
        response["Cache-Control"] = "no-cache, no-transform"
        response["X-Accel-Buffering"] = "no"
        response["Content-Encoding"] = "identity"
    return response
