"""Daphne's HTTP protocol with bounds: on the time that a request takes, and on bodies.

Every connection must send its request in time (`RequestTimer`), and one client may have
`PENDING_PER_CLIENT` requests incomplete. A body over 1 MiB is held in memory and on disk until it
is complete, so it needs one of `LARGE_BODIES` slots. Daphne has no hooks for these;
`tests/project/test_server.py` covers the internals that are used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings
from twisted.web import http

from project.addresses import network_of, parse_address
from project.middleware import forwarded_client, is_trusted_proxy
from project.problems import PROBLEM_TYPE, encode_problem

HTTPChannel: Any = http.HTTPChannel  # it has no types


class TimedChannel(HTTPChannel):  # type: ignore[misc]
    """One connection, whose requests come one after the other, each with a time limit."""

    timer: RequestTimer

    def connectionMade(self) -> None:
        client = client_of(getattr(self.transport.getPeer(), "host", ""), [])
        self.timer = RequestTimer(client, self.callLater, self.transport.abortConnection)
        self.timer.begin()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if not self._handlingRequest:
            self.timer.begin()
        super().dataReceived(data)

    def connectionLost(self, reason: Any) -> None:
        self.timer.complete()
        super().connectionLost(reason)


def may_connect(address: Any) -> bool:
    """False if the peer has too many incomplete requests. Trusted proxies always may."""
    return not has_too_many_pending(client_of(getattr(address, "host", ""), []))


BODY_LIMIT = 1024 * 1024
FRAME_BODY_LIMIT = 12 * 1024 * 1024  # 8 MiB of JPEG, as base64 in JSON
DISCARD_LIMIT = 64 * 1024 * 1024


class BoundedRequest(WebRequest):  # type: ignore[misc]
    """Refuses a body by its declared or received length, before Daphne spools it to disk.

    A body over 1 MiB needs a `LargeBodySlot`, and a header that may hold a credential; the view
    checks whether it is valid. So with a stream key in the body alone, 1 MiB is the limit.
    """

    _slot: LargeBodySlot | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Twisted would parse any client's form on the event loop: 15 s for 11 MiB of `a=b&`.
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)

    def gotLength(self, length: int | None) -> None:
        path = self.channel._path.partition(b"?")[0].rstrip(b"/")
        self._limit = FRAME_BODY_LIMIT if path.endswith(b"/actions/send") else BODY_LIMIT
        self._received, self._is_refused = 0, False
        self.channel.timer.begin_body()
        size = length or 0
        is_too_large = self._is_too_large(size)
        super().gotLength(0 if is_too_large else length)
        if is_too_large:
            self._refuse_large(size)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._is_refused:
            if self._received > DISCARD_LIMIT:
                self.channel.transport.abortConnection()
            return
        if self._slot is not None:
            self._slot.count(len(data))
        if self._is_too_large(self._received):
            self._refuse_large(self._received)
        elif self._received > BODY_LIMIT and self._slot is None and not self._claim_slot():
            self._refuse(503, "Too many large requests at once; try again.")
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self.channel.timer.complete()
        self._release_slot()
        if self._is_refused:
            self.channel.loseConnection()
        else:
            self.requestHeaders.removeHeader(b"daphne-root-path")  # clients must not set it
            super().requestReceived(command, path, version)

    def connectionLost(self, reason: Any) -> None:
        self._release_slot()
        super().connectionLost(reason)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Daphne's, as a problem instead of a page."""
        headers = [(b"Content-Type", PROBLEM_TYPE.encode())]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": encode_problem(status, body)})

    def _claim_slot(self) -> bool:
        """Take a slot for the body; False if none is free."""
        peer = getattr(self.channel.transport.getPeer(), "host", "")
        forwarded = self.requestHeaders.getRawHeaders(b"x-forwarded-for", [])
        client = client_of(peer, forwarded)
        if not has_free_slot(client):
            return False
        channel = self.channel
        channel.timer.stop()  # the slot has its own time limits
        self._slot = LargeBodySlot(client, channel.callLater, channel.transport.abortConnection)
        return True

    def _release_slot(self) -> None:
        if self._slot is not None:
            self._slot.release()
            self._slot = None

    def _is_too_large(self, size: int) -> bool:
        """True beyond the path's limit, and beyond 1 MiB without any credential, valid or not."""
        if not BODY_LIMIT < size <= self._limit:
            return size > self._limit
        header = self.requestHeaders.getRawHeaders(b"authorization", [b""])[0].strip()
        return not header and not self.received_cookies.get(settings.SESSION_COOKIE_NAME.encode())

    def _refuse_large(self, length: int) -> None:
        if length > self._limit:
            self._refuse(413, "The request is larger than this address takes.")
        else:
            self._refuse(401, "More than 1 MiB needs a token, or signing in.")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer now, then read and discard the rest, so that the client gets the answer."""
        self._is_refused = True
        self.channel.timer.begin_body()  # limits the discarding, too
        body = encode_problem(status, detail)
        self._release_slot()
        headers = {401: "WWW-Authenticate: Bearer\r\n", 503: "Retry-After: 1\r\n"}.get(status, "")
        origin = self.requestHeaders.getRawHeaders(b"origin", [b""])[0].decode("latin-1")
        if origin in settings.CORS_ALLOWED_ORIGINS:
            headers += f"Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n"
            exposed = ", ".join(settings.CORS_EXPOSE_HEADERS)
            headers += f"Access-Control-Expose-Headers: {exposed}\r\n"
        self.channel.transport.write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{headers}"
            f"Content-Type: {PROBLEM_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )


HEAD_S = 10.0  # from the connection, or from the first byte of a later request
BODY_S = 20.0  # for a body of up to 1 MiB; a `LargeBodySlot` has its own limits
PENDING_PER_CLIENT = 256  # a whole school may share an address, and browsers connect in advance

_pending: Counter[str] = Counter()  # incomplete requests by client


class RequestTimer:
    """The time limit of one connection's current request, and its count as pending."""

    def __init__(
        self, client: str, call_later: Callable[..., Any], abort: Callable[[], None]
    ) -> None:
        """`client` is empty for a trusted proxy. `abort` is called when the time is over."""
        self._client, self._call_later, self._abort = client, call_later, abort
        self._deadline: Any = None
        self._is_pending = False

    def begin(self) -> None:
        """Start the time limit of the head. Idempotent until `complete`."""
        if not self._is_pending:
            self._is_pending = True
            _pending[self._client] += 1
            self._restart(HEAD_S)

    def begin_body(self) -> None:
        """Start the time limit of the body."""
        self._restart(BODY_S)

    def stop(self) -> None:
        """End the time limit; the request is still pending."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def complete(self) -> None:
        """The request was received, or the connection is lost. Idempotent."""
        self.stop()
        if self._is_pending:
            self._is_pending = False
            _pending[self._client] -= 1
            if not _pending[self._client]:
                del _pending[self._client]

    def _restart(self, seconds: float) -> None:
        self.stop()
        self._deadline = self._call_later(seconds, self._abort)


def has_too_many_pending(client: str) -> bool:
    """True if a client has `PENDING_PER_CLIENT` incomplete requests."""
    return bool(client) and _pending[client] >= PENDING_PER_CLIENT


LARGE_BODIES = 16  # at the same time
LARGE_BODIES_PER_CLIENT = 3  # of one address, or of one /64 of IPv6
LARGE_BODY_S = 20.0  # time limit of a large body
CHECK_S = 2.0  # interval at which the speed of a large body is checked
MIN_BYTES_PER_S = 32 * 1024  # slower is allowed once, since this process may have been busy

_large_bodies: Counter[str] = Counter()  # by client


class LargeBodySlot:
    """The right to send one large body. `abort` is called once if the body is too slow."""

    def __init__(
        self, client: str, call_later: Callable[..., Any], abort: Callable[[], None]
    ) -> None:
        """`client` is empty for a trusted proxy, which sends bodies that it has received."""
        self._client, self._call_later, self._abort = client, call_later, abort
        self._received, self._was_slow = 0, False
        _large_bodies[client] += 1
        self._deadline = call_later(LARGE_BODY_S, abort)
        self._next_check = call_later(CHECK_S, self._check_speed)

    def count(self, size: int) -> None:
        """Add the size of received data in bytes."""
        self._received += size

    def release(self) -> None:
        """Free the slot. Must be called once, also after `abort`."""
        _large_bodies[self._client] -= 1
        if not _large_bodies[self._client]:
            del _large_bodies[self._client]
        for call in (self._deadline, self._next_check):
            if call.active():
                call.cancel()

    def _check_speed(self) -> None:
        is_slow = self._received < MIN_BYTES_PER_S * CHECK_S
        if is_slow and self._was_slow:
            self._abort()
            return
        self._received, self._was_slow = 0, is_slow
        self._next_check = self._call_later(CHECK_S, self._check_speed)


def client_of(peer: str, forwarded: list[bytes]) -> str:
    """Return the client of a request, as `TrustedProxies` does: an IPv4 address or an IPv6 /64.

    Empty on a local socket, and for a trusted proxy that names no client.
    """
    address = parse_address((forwarded_client(forwarded) or "") if is_trusted_proxy(peer) else peer)
    return "" if address is None else network_of(address)


def has_free_slot(client: str) -> bool:
    """True if this client may send one more large body."""
    has_share = not client or _large_bodies[client] < LARGE_BODIES_PER_CLIENT
    return has_share and _large_bodies.total() < LARGE_BODIES
