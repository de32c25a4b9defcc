"""Daphne's HTTP with bounds: on the time a request takes, and on bodies.

Every connection must send its request in time (`Patience`), and one client owes `REQUESTS_EACH` at
most. A body of more than 1 MiB is held in memory and on disk until it is whole, so it needs one of
`LARGE_BODIES` places. Daphne has no hooks for these; `tests/project/test_server.py` pins what is
relied upon.
"""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings
from twisted.web import http

from project.addresses import address_in
from project.middleware import client_behind, is_proxy

HTTPChannel: Any = http.HTTPChannel  # it has no types


class PatientChannel(HTTPChannel):  # type: ignore[misc]
    """One connection, and its requests one after the other."""

    patience: Patience

    def connectionMade(self) -> None:
        client = client_of(getattr(self.transport.getPeer(), "host", ""), [])
        self.patience = Patience(client, self.callLater, self.transport.abortConnection)
        self.patience.begin()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if not self._handlingRequest:
            self.patience.begin()
        super().dataReceived(data)

    def connectionLost(self, reason: Any) -> None:
        self.patience.is_whole()
        super().connectionLost(reason)


def is_taken(address: Any) -> bool:
    """Whether one more is taken of this peer. Proxies of ours send what they have."""
    return not owes_too_many(client_of(getattr(address, "host", ""), []))


BODY_LIMIT = 1024 * 1024
FRAME_BODY_LIMIT = 12 * 1024 * 1024  # 8 MiB of JPEG, as base64 in JSON
DISCARD_LIMIT = 64 * 1024 * 1024


class BoundedRequest(WebRequest):  # type: ignore[misc]
    """Refuses a body by its declared length or by what arrives, before Daphne spools it to disk.

    A large one needs a place (uploads.py), and words that may be a credential; whether they are
    one, the view asks. So a stream key in the body alone will do for 1 MiB.
    """

    _place: Place | None = None

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
        client = client_of(peer, forwarded)
        if not is_free(client):
            return False
        channel = self.channel
        channel.patience.wait()
        self._place = Place(client, channel.callLater, channel.transport.abortConnection)
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


HEAD_S = 10.0  # from the connection, or from a later request's first byte
BODY_S = 20.0  # a body of up to 1 MiB; larger ones have places, and their times: see uploads.py
REQUESTS_EACH = 256  # a school has one address, and browsers connect before they ask

_owing: Counter[str] = Counter()


class Patience:
    """With one connection, which owes a request from its start until it has sent one."""

    def __init__(self, client: str, later: Callable[..., Any], end: Callable[[], None]) -> None:
        """Of `client`, or of a proxy of ours (""). `end` is called where it took too long."""
        self._client, self._later, self._end = client, later, end
        self._deadline: Any = None
        self._owes = False

    def begin(self) -> None:
        """Something is to come, or has begun to: again and again, if need be."""
        if not self._owes:
            self._owes = True
            _owing[self._client] += 1
            self._wait(HEAD_S)

    def has_head(self) -> None:
        self._wait(BODY_S)

    def wait(self) -> None:
        """Somebody else looks after the rest of the request."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def is_whole(self) -> None:
        """The request is there, or the connection is gone."""
        self.wait()
        if self._owes:
            self._owes = False
            _owing[self._client] -= 1
            if not _owing[self._client]:
                del _owing[self._client]

    def _wait(self, seconds: float) -> None:
        self.wait()
        self._deadline = self._later(seconds, self._end)


def owes_too_many(client: str) -> bool:
    """Whether its connections that owe a request are as many as one may have."""
    return bool(client) and _owing[client] >= REQUESTS_EACH


LARGE_BODIES = 16
LARGE_BODIES_EACH = 3  # of one address, or of one /64 of IPv6
WHOLE_S = 20.0  # a body that takes longer gives its place to another
LOOK_S = 2.0
SLOWEST = 32 * 1024  # bytes per second; less is forgiven once, since we too may have been busy

_taken: Counter[str] = Counter()


class Place:
    """One of the places. `end` is called once where the body is too slow; then leave it, too."""

    def __init__(self, client: str, later: Callable[..., Any], end: Callable[[], None]) -> None:
        """Of `client`, or of a proxy of ours (""), which sends what it has whole."""
        self._client, self._later, self._end = client, later, end
        self._since, self._slow = 0, False
        _taken[client] += 1
        self._deadline = later(WHOLE_S, end)
        self._look = later(LOOK_S, self._look_again)

    def hear(self, size: int) -> None:
        """So many bytes have come."""
        self._since += size

    def leave(self) -> None:
        """Once, whatever has become of the body."""
        _taken[self._client] -= 1
        if not _taken[self._client]:
            del _taken[self._client]
        for call in (self._deadline, self._look):
            if call.active():
                call.cancel()

    def _look_again(self) -> None:
        slow = self._since < SLOWEST * LOOK_S
        if slow and self._slow:
            self._end()
            return
        self._since, self._slow = 0, slow
        self._look = self._later(LOOK_S, self._look_again)


def client_of(peer: str, forwarded: list[bytes]) -> str:
    """Whose body it is, as `TrustedProxies` would say: an address, or of IPv6 its /64.

    Empty for a proxy of ours that speaks for nobody, and on a local socket.
    """
    address = address_in((client_behind(forwarded) or "") if is_proxy(peer) else peer)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)
    return "" if address is None else str(address)


def is_free(client: str) -> bool:
    return _taken.total() < LARGE_BODIES and (not client or _taken[client] < LARGE_BODIES_EACH)
