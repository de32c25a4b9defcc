"""FFmpeg's requests and the camera's responses on one connection, with the login between them.

FFmpeg answers MD5 alone, and only where that is offered last. It is therefore given no user name
and password; the requests are signed here. A 401 is kept from it while there is something to answer
with: the same request goes to the camera once more, with an Authorization header, and later ones
have that from the start. A second 401 for the same request goes on to FFmpeg, and is the result.

The camera is sent numbers (CSeq) of our own, because it gets more requests than FFmpeg sends. What
the camera asks for itself is answered here as FFmpeg would. No sockets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.sources.digest import Login
from cameras.ingest.sources.rtsp_messages import MAX_HEAD, Message, MessageReader, channels

MAX_PENDING = 16  # requests without an answer; then the oldest is given up
NOT_IMPLEMENTED = (405, 501, 551)
_POLLED = (b"OPTIONS", b"GET_PARAMETER", b"SET_PARAMETER")

_HEADER = re.compile(rb"([A-Za-z-]+):[ \t]*(.*)")


@dataclass(slots=True)
class Request:
    """One of FFmpeg's. `signed`: it was sent with a login; `repeated`: after a refused one."""

    method: bytes
    uri: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    signed: bool = False
    repeated: bool = False

    def first(self, name: bytes) -> bytes:
        """The value of a header, empty without one."""
        return next((value for key, value in self.headers if key.lower() == name), b"")


class Exchange:
    """Bounds: `MAX_PENDING` requests, and what `MessageReader` holds.

    `status` is that of the last answer that FFmpeg got, at first 0. Once it is a failure it stays;
    what comes after the start of the video is not noted.
    """

    def __init__(self, login: Login | None) -> None:
        self.status = 0
        self.closing = False  # the camera ends the connection, and `again` is wanted on a new one
        self._login = login
        self._reader = MessageReader()
        self._asked = b""  # a request that is not whole yet
        self._pending: dict[int, Request] = {}
        self._count = 0
        self._playing = False
        self._accepted = False  # the login, by some answer
        self._resent: Request | None = None  # not answered since
        self._reopened = False

    @property
    def playing(self) -> bool:
        """Whether the camera has agreed to send its video."""
        return self._playing

    @property
    def waiting(self) -> bool:
        """Whether the camera owes an answer that FFmpeg waits for."""
        return bool(self._pending) and not self._playing

    def ask(self, data: bytes) -> bytes:
        """What to send to the camera for what came from FFmpeg. Raises `ValueError`."""
        data, self._asked = self._asked + data, b""
        parts, at = [], 0
        while at < len(data):
            if data.startswith(b"$", at):
                end = at + 4 + int.from_bytes(data[at + 2 : at + 4])
                if len(data) < max(end, at + 4):
                    break
                parts.append(data[at:end])
            else:
                head = data.find(b"\r\n\r\n", at)
                if head < 0:
                    break
                request = _request(data[at:head])
                end = head + 4 + int(request.first(b"content-length") or 0)
                if len(data) < end:
                    break
                request.body = data[head + 4 : end]
                parts.append(self._send(request))
            at = end
        self._asked = data[at:]
        if len(self._asked) > 2 * MAX_HEAD:
            raise ValueError("a request without an end")
        return b"".join(parts)

    def answer(self, data: bytes) -> tuple[bytes, bytes]:
        """For what came from the camera: what to give to FFmpeg, and what to send to the camera.

        Raises `SourceError` or `ValueError`; the connection is to be cut then.
        """
        given, sent = [], []
        for part in self._reader.feed(data):
            if isinstance(part, bytes):
                given.append(part)
            elif part.method:
                sent.append(_reply(part))
            elif part.status >= 200:
                answer, request = self._answered(part)
                given.append(answer)
                sent.append(request)
        return b"".join(given), b"".join(sent)

    def reopen(self) -> bool:
        """Whether the camera may be dialed once more, since it closed after asking for a login."""
        if self._reopened or self._playing or not self._resent:
            return False
        self._reopened = True
        return True

    def again(self) -> bytes:
        """What to send at the start of a connection, which is nothing on the first."""
        self._reader = MessageReader()
        self._pending.clear()
        self.closing = False
        return self._send(self._resent) if self._resent else b""

    def _send(self, request: Request) -> bytes:
        self._count += 1
        lines = [request.method + b" " + request.uri + b" RTSP/1.0", b"CSeq: %d" % self._count]
        lines += [
            name + b": " + value
            for name, value in request.headers
            if name.lower() not in (b"cseq", b"authorization")
        ]
        if self._login and self._login.ready:
            method, uri = _text(request.method), _text(request.uri)
            value = self._login.authorization(method, uri)
            lines.append(b"Authorization: " + value.encode("utf-8", "surrogateescape"))
            request.signed = True
        if request.method == b"SETUP":
            self._reader.expect(channels(request.first(b"transport")))
        if request.method != b"TEARDOWN":  # FFmpeg does not wait for its answer
            self._pending[self._count] = request
            if len(self._pending) > MAX_PENDING:
                del self._pending[next(iter(self._pending))]
        return b"\r\n".join(lines) + b"\r\n\r\n" + request.body

    def _answered(self, message: Message) -> tuple[bytes, bytes]:
        request = self._take(message.first(b"cseq"))
        if not request:
            return b"", b""  # FFmpeg would take it for the answer to its next request
        if message.status == 401 and self._login and self._retry(message, request):
            self._resent = request
            self.closing = b"close" in message.first(b"connection").lower()
            return b"", b"" if self.closing else self._send(request)
        self._resent = None
        if request.method == b"OPTIONS" and message.status in NOT_IMPLEMENTED:
            message.status = 200  # FFmpeg gives up a camera that does not tell its methods
        if message.status != 401:
            self._accepted |= request.signed
        if not self._playing and (self.status < 400 or self.status == 401):
            self.status = message.status
        asked = b""
        if message.status < 300:
            self._playing |= request.method == b"PLAY"
            asked = request.first(b"transport")
        return message.write(request.first(b"cseq"), asked), b""

    def _take(self, number: bytes) -> Request | None:
        """The request that an answer belongs to: by its number, else the oldest."""
        known = int(number) if number.isdigit() and len(number) < 10 else -1
        if known not in self._pending:
            known = next(iter(self._pending), -1)
        return self._pending.pop(known, None)

    def _retry(self, message: Message, request: Request) -> bool:
        """Whether the request is to be sent again. Raises `SourceError` for unknown logins."""
        assert self._login
        values = [_text(value) for value in message.headers.get(b"www-authenticate", [])]
        usable = self._login.challenge(values)
        if not request.signed:
            if not usable:
                raise SourceError(self._login.sentence)
            return True
        again = usable and not request.repeated and (self._login.stale or self._accepted)
        request.repeated = True
        return again


def _request(head: bytes) -> Request:
    first, *lines = head.split(b"\r\n")
    method, _, rest = first.partition(b" ")
    uri, _, version = rest.rpartition(b" ")
    found = [_HEADER.fullmatch(line) for line in lines]
    if not method.isascii() or not uri or not version.startswith(b"RTSP/"):
        raise ValueError("not a request")
    return Request(method, uri, [(header[1], header[2]) for header in found if header])


def _reply(message: Message) -> bytes:
    """To a request of the camera."""
    status = b"200 OK" if message.method in _POLLED else b"501 Not Implemented"
    lines = [b"RTSP/1.0 " + status]
    lines += [
        name + b": " + message.first(name.lower())
        for name in (b"CSeq", b"Session")
        if message.first(name.lower())
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
