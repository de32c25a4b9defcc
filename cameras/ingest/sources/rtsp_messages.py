"""Reader of what an RTSP server sends: frames and messages, repaired where cameras are odd.

FFmpeg's demuxer follows a 3xx response to any address, ends a line at a bare LF, drops every CR,
takes a `$` at the start of any line for a frame, and reads a frame of 1 to 7 bytes as lines. So
nothing but whole frames is passed on as it came. A head is parsed here and **written anew** from
what was parsed, with known headers only and one spelling of each: FFmpeg cannot read it in another
way. No redirect, no Location and no request of a camera is ever written.

So the reading may be lenient. Folded lines are unfolded; lines may end in a bare LF; a line that is
no header, holds control bytes or is too long is left out; bytes that are neither frame nor message
are skipped to the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cameras.ingest.sources.addresses import Address, SourceError

MAX_HEAD = 64 * 1024
MAX_LINE = 4000  # bytes of a header, unfolded; FFmpeg's own buffer is 4096
MAX_BODY = 256 * 1024  # of a description, which is some hundred bytes long
MAX_STRAY = 256 * 1024  # bytes between two messages or frames
MAX_SAME = 16  # headers of one name
SHORTEST = 8  # bytes of a frame that FFmpeg takes out of the stream

MALFORMED = "The camera does not keep to the rules of RTSP, so its connection was cut."
UDP_ONLY = "The camera sends its video over UDP only; switch on RTSP over TCP in the camera."

_START = re.compile(rb"RTSP/\d\.\d\s{0,8}([1-5]\d\d)(?!\d)", re.IGNORECASE)
_STATUS = re.compile(rb"RTSP/\d\.\d[ \t]*([1-5]\d\d)(?!\d).*", re.IGNORECASE | re.DOTALL)
_REQUEST = re.compile(rb"([A-Z_]{1,32})[ \t]+[!-~]+[ \t]+RTSP/\d\.\d[ \t]*", re.IGNORECASE)
_METHOD = re.compile(rb"[A-Z_]{1,32}(?:\Z|[ \t]+(?:\Z|[!-~]))", re.IGNORECASE)
_NEXT = re.compile(rb"\$|RTSP/", re.IGNORECASE)
_END = re.compile(rb"\n\r{0,8}\n")
_END_BYTES = 10
_FOLD = re.compile(rb"\r*\n[ \t]+")
_HEADER = re.compile(rb"([!#%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(rb"\d{1,7}")
_TCP = re.compile(rb"([a-z0-9-]+(?:/[a-z0-9]+)?/tcp)(;[^,]*)?", re.IGNORECASE)
_CHANNELS = re.compile(rb";interleaved=(\d{1,3})(?:-(\d{1,3}))?", re.IGNORECASE)
_TIMEOUT = re.compile(rb"timeout=(\d{1,6})", re.IGNORECASE)
_SPACE = re.compile(rb"[ \t]+")
_FRAME = ord("$")
_ALL = frozenset(range(256))
_STATUS_BYTES = 24  # more than `_START` looks at
_NAME = b"rtsp/"

# What FFmpeg reads, and as it is written; the others of these are written from their parts.
_PASSED = {
    b"content-base": b"Content-Base",
    b"content-type": b"Content-Type",
    b"public": b"Public",
    b"range": b"Range",
    b"rtp-info": b"RTP-Info",
    b"server": b"Server",
    b"notice": b"Notice",
    b"x-notice": b"X-Notice",
}
_KEPT = _PASSED.keys() | {
    b"cseq", b"session", b"transport", b"content-length", b"www-authenticate", b"connection",
    b"location",
}  # fmt: skip


@dataclass(slots=True)
class Message:
    """A response (`status`), or a request (`method`) of the camera.

    `headers` has known names only, in lower case; at most `MAX_SAME` values each.
    """

    status: int = 0
    method: bytes = b""
    headers: dict[bytes, list[bytes]] = field(default_factory=dict)
    body: bytes = b""

    def first(self, name: bytes) -> bytes:
        """The value of a header, empty without one."""
        return self.headers.get(name, [b""])[0]

    def write(self, number: bytes, asked: bytes = b"") -> bytes:
        """The response for FFmpeg to its request `number`. `asked`: the Transport it asked for,
        which stands in for one that is missing."""
        lines = [b"RTSP/1.0 %d %s" % (self.status, b"OK" if self.status < 300 else b"Failed")]
        lines.append(b"CSeq: " + number)
        if b"session" in self.headers:
            name, *parts = (part.strip(b" \t") for part in self.first(b"session").split(b";"))
            timeout = _TIMEOUT.search(b";".join(_SPACE.sub(b"", part) for part in parts))
            lines.append(b"Session: " + name + (b";" + timeout[0].lower() if timeout else b""))
        if transport := _transport(self.first(b"transport"), asked):
            lines.append(b"Transport: " + transport)
        lines += [
            spelling + b": " + self.headers[name][0]
            for name, spelling in _PASSED.items()
            if name in self.headers
        ]
        if self.body:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


class MessageReader:
    """The server's side of one connection.

    Bound: a head of `MAX_HEAD` bytes, or a body of `MAX_BODY`. `channels` are those of frames; all,
    as long as none is known.
    """

    def __init__(self) -> None:
        self.channels: set[int] = set()
        self._held = b""  # what is not whole yet, but for a body
        self._looked = 0  # bytes of it in which no head ends
        self._left = 0  # bytes of a frame still to come
        self._message: Message | None = None  # whose body is not whole yet
        self._body = bytearray()
        self._wanted = 0
        self._messages = 0
        self._stray = 0  # bytes skipped since the last frame or message
        self._known = _ALL

    def expect(self, channels: set[int]) -> None:
        """Take frames of these channels for frames, too."""
        self.channels |= channels
        self._known = frozenset(self.channels) or _ALL

    def feed(self, data: bytes) -> list[bytes | Message]:
        """Runs of whole or begun frames, and messages, in order.

        Raises `SourceError`, or `ValueError` for what is no RTSP at all; the connection is to be
        cut then.
        """
        found: list[bytes | Message] = []
        if self._held:
            data, self._held = self._held + data, b""
        begin = self._collect(data, 0, found) if self._message else 0
        at = begin + self._left
        while True:
            end = self._frames(data, at)
            if end > begin:
                self._stray = 0
                found.append(data[begin:end])
            if end >= len(data):
                self._left = end - len(data)
                return found
            self._left = 0
            begin = at = self._other(data, end, found)
            if at == end:
                self._held = data[end:]
                return found

    def _frames(self, data: bytes, at: int) -> int:
        """Where the frames end that begin there; perhaps beyond the data."""
        known, last = self._known, len(data) - 4
        while at <= last and data[at] == _FRAME and data[at + 1] in known:
            length = data[at + 2] << 8 | data[at + 3]
            if length < SHORTEST:
                break
            at += 4 + length
        return at

    def _other(self, data: bytes, at: int, found: list[bytes | Message]) -> int:
        """Past a message, a frame too short for FFmpeg, or bytes that are neither. The same place
        where more has to come first."""
        if data[at] in b"\r\n":
            return at + 1
        if data[at] == _FRAME:
            if len(data) - at < 4:
                return at
            length = data[at + 2] << 8 | data[at + 3]
            if data[at + 1] in self._known and length < SHORTEST and not self._stray:
                return at if len(data) - at < 4 + length else at + 4 + length
            return self._search(data, at, at + 1)
        name = data[at : at + len(_NAME)].lower()
        if name == _NAME or (_NAME.startswith(name) and at + len(name) == len(data)):
            return self._response(data, at, found)
        if not self._stray and _METHOD.match(data, at):
            return self._request(data, at, found)
        if not self._messages:
            return self._greeting(data, at)
        return self._search(data, at, at)

    def _greeting(self, data: bytes, at: int) -> int:
        """Of a server that may speak another protocol."""
        end = data.find(b"\n", at, at + MAX_LINE)
        if end < 0 and len(data) - at < MAX_LINE:
            return at
        start = _START.search(data, at, end if end >= 0 else at + MAX_LINE)
        if not start:
            raise ValueError("not RTSP")
        return start.start()

    def _search(self, data: bytes, at: int, begin: int) -> int:
        """The next place from `begin` on where a frame or a response may begin; frames only of
        channels that were agreed."""
        self._known = frozenset(self.channels)
        for found in _NEXT.finditer(data, begin):
            place = found.start()
            if data[place] != _FRAME or len(data) - place < 4:
                return self._skip(at, place)
            length = data[place + 2] << 8 | data[place + 3]
            if data[place + 1] in self._known and length >= SHORTEST:
                return self._skip(at, place)
        return self._skip(at, max(at, begin, len(data) - len(_NAME) + 1))

    def _skip(self, at: int, place: int) -> int:
        self._stray += place - at
        if self._stray > MAX_STRAY:
            raise SourceError(MALFORMED)
        return place

    def _response(self, data: bytes, at: int, found: list[bytes | Message]) -> int:
        if not _START.match(data, at):
            if len(data) - at < _STATUS_BYTES and not _END.search(data, at):
                return at
            if not self._stray:
                raise SourceError(MALFORMED)
            return self._search(data, at, at + 1)  # something of a picture that looked like one
        return self._head(data, at, found)

    def _request(self, data: bytes, at: int, found: list[bytes | Message]) -> int:
        end = data.find(b"\n", at, at + MAX_LINE)
        if end < 0 and len(data) - at < MAX_LINE:
            return at
        if not _REQUEST.fullmatch(data[at : max(end, at)].rstrip(b"\r")):
            if not self._messages:
                return self._greeting(data, at)
            return self._search(data, at, at + 1)
        return self._head(data, at, found)

    def _head(self, data: bytes, at: int, found: list[bytes | Message]) -> int:
        end = _END.search(data, at + self._looked, at + MAX_HEAD)
        if not end:
            if len(data) - at >= MAX_HEAD:
                raise SourceError(MALFORMED)
            self._looked = max(0, len(data) - at - _END_BYTES)
            return at
        self._looked = 0
        message = _parsed(data[at : end.start()])
        self._messages += 1
        self._stray = 0
        self.expect(channels(message.first(b"transport")) if message.status else set())
        self._wanted = _length(message)
        if not self._wanted:
            found.append(message)
            return end.end()
        self._message = message
        return self._collect(data, end.end(), found)

    def _collect(self, data: bytes, at: int, found: list[bytes | Message]) -> int:
        """Take what is there of the body that is wanted; returns where it ends."""
        assert self._message
        end = min(len(data), at + self._wanted - len(self._body))
        self._body += data[at:end]
        if len(self._body) == self._wanted:
            self._message.body = bytes(self._body)
            found.append(self._message)
            self._message, self._body = None, bytearray()
        return end


def channels(transport: bytes) -> set[int]:
    """The channels that a Transport header names."""
    found = _CHANNELS.search(_SPACE.sub(b"", transport))
    if not found:
        return set()
    first = int(found[1])
    return set(range(first, max(first + 1, min(int(found[2] or 0), 255)) + 1))


def _parsed(head: bytes) -> Message:
    """A whole head. Raises `SourceError` for one that leads on, or to UDP."""
    first, *lines = (line.rstrip(b"\r") for line in _FOLD.sub(b" ", head).split(b"\n"))
    headers: dict[bytes, list[bytes]] = {}
    for line in lines:
        header = _HEADER.fullmatch(line) if len(line) <= MAX_LINE else None
        if header and header[1].lower() in _KEPT:
            values = headers.setdefault(header[1].lower(), [])
            if len(values) < MAX_SAME:
                values.append(header[2].replace(b"\t", b" ").strip())
    status, request = _STATUS.fullmatch(first), _REQUEST.fullmatch(first)
    if status:
        message = Message(int(status[1]), b"", headers)
    elif request:
        message = Message(0, request[1].upper(), headers)
    else:
        raise SourceError(MALFORMED)
    if message.method == b"REDIRECT" or 300 <= message.status < 400:
        raise SourceError(_onward(message.first(b"location")))
    given = headers.get(b"transport", [])
    if not all(_TCP.fullmatch(_SPACE.sub(b"", value)) for value in given):
        raise SourceError(UDP_ONLY)
    return message


def _length(message: Message) -> int:
    """Of the body. The header may be there twice, if it says the same."""
    lengths = {
        value.strip()
        for header in message.headers.get(b"content-length", [])
        for value in header.split(b",")
    }
    if not lengths:
        return 0
    length = lengths.pop()
    if lengths or not _LENGTH.fullmatch(length) or int(length) > MAX_BODY:
        raise SourceError(MALFORMED)
    return int(length)


def _transport(answered: bytes, asked: bytes) -> bytes:
    """The Transport of a response from its parts; the channels as asked, if it names none."""
    protocol = _TCP.fullmatch(_SPACE.sub(b"", answered or asked))
    if not protocol:
        return b""
    numbers = _CHANNELS.search(_SPACE.sub(b"", answered)) or _CHANNELS.search(asked)
    return protocol[1] + b";unicast" + (numbers[0].lower() if numbers else b"")


def _onward(location: bytes) -> str:
    """The sentence for a camera that leads on; of the address only host and port are shown."""
    where = "another address"
    try:
        onward = Address.parse("rtsp", location.decode("ascii"))
        where = f"{onward.host}:{onward.port}"
    except ValueError:
        pass
    return f"The camera sends viewers on to {where}; enter that address yourself."
