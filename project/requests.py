"""Daphne's request with bounds on its body.

Daphne has no hooks for these; `tests/project/test_server.py` pins what is relied upon.
"""

from __future__ import annotations

import json
from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings

from project import uploads

BODY_LIMIT = 1024 * 1024
FRAME_BODY_LIMIT = 12 * 1024 * 1024  # 8 MiB of JPEG, as base64 in JSON
DISCARD_LIMIT = 64 * 1024 * 1024


class BoundedRequest(WebRequest):  # type: ignore[misc]
    """Refuses a body by its declared length or by what arrives, before Daphne spools it to disk.

    A large one needs a place (uploads.py), and words that may be a credential; whether they are
    one, the view asks. So a stream key in the body alone will do for 1 MiB.
    """

    _place: uploads.Place | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        # Twisted would read a form on the loop, of anybody: 15 s for 11 MiB of `a=b&`.
        super().__init__(*args, parsePOSTFormSubmission=False, **more)

    def gotLength(self, length: int | None) -> None:
        path = self.channel._path.partition(b"?")[0].rstrip(b"/")
        self._limit = FRAME_BODY_LIMIT if path.endswith(b"/actions/send") else BODY_LIMIT
        self._received, self._refused = 0, False
        self.channel.patience.has_head()
        size = length or 0
        bad = self._is_too_large(size)
        super().gotLength(0 if bad else length)
        if bad:
            self._refuse_large(size)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._refused:
            if self._received > DISCARD_LIMIT:
                self.channel.transport.abortConnection()
            return
        if self._place is not None:
            self._place.hear(len(data))
        if self._is_too_large(self._received):
            self._refuse_large(self._received)
        elif self._received > BODY_LIMIT and self._place is None and not self._claim():
            self._refuse(503, "Service Unavailable", "Too many large requests at once; try again.")
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self.channel.patience.is_whole()
        self._let_go()
        if self._refused:
            self.channel.loseConnection()
        else:
            self.requestHeaders.removeHeader(b"daphne-root-path")  # not a client's to say
            super().requestReceived(command, path, version)

    def connectionLost(self, reason: Any) -> None:
        self._let_go()
        super().connectionLost(reason)

    def _claim(self) -> bool:
        peer = getattr(self.channel.transport.getPeer(), "host", "")
        forwarded = self.requestHeaders.getRawHeaders(b"x-forwarded-for", [])
        client = uploads.client_of(peer, forwarded)
        if not uploads.is_free(client):
            return False
        channel = self.channel
        channel.patience.wait()
        self._place = uploads.Place(client, channel.callLater, channel.transport.abortConnection)
        return True

    def _let_go(self) -> None:
        if self._place is not None:
            self._place.leave()
            self._place = None

    def _is_too_large(self, size: int) -> bool:
        """Of more than 1 MiB it has to say who it is, true or not."""
        if not BODY_LIMIT < size <= self._limit:
            return size > self._limit
        told = self.requestHeaders.getRawHeaders(b"authorization", [b""])[0].strip()
        return not told and not self.received_cookies.get(settings.SESSION_COOKIE_NAME.encode())

    def _refuse_large(self, length: int) -> None:
        if length > self._limit:
            self._refuse(413, "Content Too Large", "The request is larger than this address takes.")
        else:
            self._refuse(401, "Unauthorized", "More than 1 MiB needs a token, or signing in.")

    def _refuse(self, status: int, title: str, detail: str) -> None:
        """Answer now, then read on and discard, so that the client gets to see the answer."""
        self._refused = True
        self.channel.patience.has_head()  # for reading on, too
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        body = json.dumps(problem).encode()
        self._let_go()
        more = {401: "WWW-Authenticate: Bearer\r\n", 503: "Retry-After: 1\r\n"}.get(status, "")
        origin = self.requestHeaders.getRawHeaders(b"origin", [b""])[0].decode("latin-1")
        if origin in settings.CORS_ALLOWED_ORIGINS:
            more += f"Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n"
            more += "Access-Control-Expose-Headers: Retry-After\r\n"
        self.channel.transport.write(
            f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\n{more}"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
