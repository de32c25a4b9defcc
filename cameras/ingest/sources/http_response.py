"""An HTTP response as cameras send it: head, framing, body.

Neither httpx nor `http.client` reads what cameras send. Of 18 heads (tests, `HEADS`) h11, the
parser of httpx, refuses 12 and truncates one; `http.client` refuses 6 and misreads 4. So the head
is read here: lines end with or without CR, lines that are no headers are dropped, the status line
may lack anything but its number, and the blank line may be missing where a body can be told by its
first bytes. A response is read from a connection of its own, so that no reading of it can make
another request's answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

from cameras.ingest.sources.addresses import Address

MAX_HEAD = 32 * 1024
MAX_HEADERS = 200
READ = 65536
MAX_PEEK = 9 * 1024 * 1024  # a picture at its limit, and the start of the next

_STATUS = re.compile(rb"(?:HTTP|ICY)(?:/\d(?:\.\d)?)?[ \t]*([1-5]\d\d)(?!\d)")
_NAME = re.compile(r"[!-9;-~](?:[ -9;-~]{0,62}[!-9;-~])?")
_LENGTH = re.compile(r"\d{1,15}")
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
# A body that may begin without a head, or without the blank line before it.
_BODIES = (
    b"\xff\xd8\xff",
    b"--",
    b"\x89PNG",
    b"RIFF",
    b"#EXTM3U",
    b"\xef\xbb\xbf#EXT",
    b"\x47\x40",
)

Receive = Callable[[int, float | None], bytes]
"""Receives up to so many bytes until a deadline (monotonic; None: after the usual silence); b"" at
the end. Raises `OSError`."""


class Headers:
    """Names without regard to case; of a name that comes more than once, `get` has the first."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs[:MAX_HEADERS]:
            self._values.setdefault(name.lower(), []).append(value)

    def get(self, name: str, default: str = "") -> str:
        """The first value."""
        return self._values.get(name.lower(), [default])[0]

    def all(self, name: str) -> list[str]:
        """Every value."""
        return list(self._values.get(name.lower(), ()))

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)


class Response:
    """One response: `status`, `headers`, and the body, read as it comes.

    Buffers what arrived with the head, and up to `MAX_PEEK` bytes that were peeked at.
    """

    def __init__(
        self,
        address: Address,
        receive: Receive,
        deadline: float,
        *,
        release: Callable[[Response], None] = lambda _: None,
        strict: bool = False,
    ) -> None:
        """Reads the head, until the deadline. Raises `OSError`, and `ValueError` for no HTTP.

        `address` is where it came from, `release` is told of `close`. `strict`: only what begins
        with HTTP is an answer, as on a connection used again.
        """
        self.address = address
        self._receive, self._release = receive, release
        self._raw = bytearray()  # received, and not looked at yet
        self._buffer = bytearray()  # of the body, without its framing
        self._position = 0
        self._ended = False
        self.status, self.headers = self._head(deadline, strict)
        self._chunked = self.headers.get("transfer-encoding").strip().lower().endswith("chunked")
        self._chunk = 0  # bytes left of one
        self._chunks = 0
        self.length = self._announced()
        self._left = self.length

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty where none is told."""
        return self.headers.get("content-type").partition(";")[0].strip().lower()

    @property
    def boundary(self) -> bytes | None:
        """The boundary of a multipart type, as the header tells it."""
        found = re.search(
            r"boundary\s*=\s*(?:\"([^\"]*)\"|([^\s;]+))", self.headers.get("content-type"), re.I
        )
        return (found[1] or found[2] or "").encode("latin-1") if found else None

    @property
    def position(self) -> int:
        """Bytes of the body that were read."""
        return self._position

    @property
    def ended(self) -> bool:
        """Whether the whole body was read, or the connection ended."""
        return not self._buffer and (self._ended or self._left == 0)

    @property
    def whole(self) -> bool:
        """Whether the body ended where its framing says, so that the connection is free."""
        return self._left == 0 and not self._buffer and not self._raw

    def close(self) -> None:
        """Give the connection back. Idempotent."""
        release, self._release = self._release, lambda _: None
        release(self)

    def read(self, n: int = READ) -> bytes:
        """At most `n` bytes, as soon as there are some; b"" at the end. Raises `OSError`."""
        if not self._buffer:
            part = self._next(n, None)
        else:
            part = bytes(self._buffer[:n])
            del self._buffer[:n]
        self._position += len(part)
        return part

    def peek(self, n: int, seconds: float | None = None) -> bytes:
        """The next `n` bytes, which stay to be read; fewer at the end.

        With `seconds`, fewer also when that time is over; else raises `OSError` after the usual
        silence. `n` is at most `MAX_PEEK`.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while len(self._buffer) < min(n, MAX_PEEK):
            try:
                part = self._next(READ, deadline)
            except TimeoutError:
                if deadline is None:
                    raise
                break
            if not part:
                break
            self._buffer += part
        return bytes(self._buffer[:n])

    def _next(self, n: int, deadline: float | None) -> bytes:
        """What comes next of the body; b"" at the end."""
        if self._ended or self._left == 0 or (self._chunked and not self._in_chunk(deadline)):
            self._ended = True
            return b""
        limit = self._chunk if self._chunked else self._left
        n = n if limit is None else min(n, limit)
        if self._raw:
            part = bytes(self._raw[:n])
            del self._raw[:n]
        else:
            part = self._receive(n, deadline)
        if self._chunked:
            self._chunk -= len(part)
        elif self._left is not None:
            self._left -= len(part)
        self._ended = not part
        return part

    def _in_chunk(self, deadline: float | None) -> bool:
        """Whether bytes of a chunk follow; reads its size. Some only say that they are chunked."""
        if self._chunk:
            return self._chunk > 0
        line = self._line(deadline)
        found = _CHUNK.fullmatch(line)
        if found:
            self._chunks += 1
            self._chunk = int(found[1], 16) or -1
            return self._chunk > 0
        if self._chunks or not self._raw:
            return False
        self._chunked = False
        return True

    def _line(self, deadline: float | None) -> bytes:
        """The line of a chunk's size, taken out if it is one; bound: as long as one can be."""
        while True:
            start = len(self._raw) - len(self._raw.lstrip(b"\r\n"))
            end = self._raw.find(b"\n", start, start + 256)
            if end >= 0 or len(self._raw) >= start + 256:
                break
            if not (part := self._receive(READ, deadline)):
                break
            self._raw += part
        line = bytes(self._raw[start:end]).rstrip(b"\r") if end >= 0 else b""
        if _CHUNK.fullmatch(line):
            del self._raw[: end + 1]
        return line

    def _head(self, deadline: float, strict: bool) -> tuple[int, Headers]:
        at_end = False
        while True:
            found = self._parsed(at_end, strict)
            if found and not 100 <= found[0] < 200:
                return found
            if not found:
                if at_end and not self._raw:
                    raise ConnectionResetError
                if at_end or len(self._raw) > MAX_HEAD:
                    raise ValueError("a head without an end")
                part = self._receive(READ, deadline)
                self._raw += part
                at_end = not part

    def _parsed(self, at_end: bool, strict: bool) -> tuple[int, Headers] | None:
        """The head, taken out of what was received; None where it is not whole yet."""
        start = bytes(self._raw).lstrip(b"\r\n \t")
        if not strict and start.startswith(_BODIES):
            return 200, Headers([])  # HTTP/0.9
        if not start.startswith(b"HTTP" if strict else (b"HTTP", b"ICY")) and len(start) >= 8:
            raise ValueError("not HTTP")
        end = _head_end(start, at_end=at_end)
        if end is None:
            return None
        lines = start[: end[0]].split(b"\n")
        status = _STATUS.match(lines[0])
        if not status:
            raise ValueError("not HTTP")
        self._raw = bytearray(start[end[1] :])
        return int(status[1]), Headers(_pairs(lines[1:]))

    def _announced(self) -> int | None:
        """The body's length where it can be believed. Endless streams are given one by some."""
        if self.status in (204, 304):
            return 0
        if self._chunked or self.content_type.startswith("multipart/"):
            return None
        told = {value.strip() for value in self.headers.all("content-length")}
        value = told.pop() if len(told) == 1 else ""
        return int(value) if _LENGTH.fullmatch(value) else None


def _head_end(data: bytes, *, at_end: bool) -> tuple[int, int] | None:
    """Where the head's lines end, and where the body begins; None where it is not whole yet."""
    at = data.find(b"\n") + 1
    if not at:
        return (len(data), len(data)) if at_end and _STATUS.match(data) else None
    while True:
        if data.startswith(_BODIES, at):
            return at, at
        end = data.find(b"\n", at)
        if end < 0:
            return (len(data), len(data)) if at_end else None
        if not data[at:end].strip(b"\r"):
            return at, end + 1
        at = end + 1


def _pairs(lines: list[bytes]) -> list[tuple[str, str]]:
    """Headers; a folded line goes on the one before it, what has no name is dropped."""
    pairs: list[tuple[str, str]] = []
    for line in lines:
        text = "".join(c if c.isprintable() else " " for c in line.decode("latin-1"))
        if text[:1].isspace() and text.strip() and pairs:
            pairs[-1] = pairs[-1][0], f"{pairs[-1][1]} {text.strip()}".strip()
            continue
        name, colon, value = text.partition(":")
        if colon and _NAME.fullmatch(name.strip()):
            pairs.append((name.strip(), value.strip()))
    return pairs
