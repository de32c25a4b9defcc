"""What FFmpeg reads of an HTTP camera: every playlist, segment and key, by our own client.

`HTTPOpener` is handed to `av.open(url, io_open=...)`. FFmpeg may use no protocol of its own that
leads anywhere, so what a playlist names arrives here: http(s) is dialed by `HTTPClient`, everything
else (`tcp:`, `file:`, `data:`, …) is refused. Segments that are encrypted arrive as `crypto+http`
with their key among the options, and are decrypted here.

PyAV 18 ends the open where the function raises and 19 skips the part, so it never raises: what does
not open reads as empty, and the reason is in `failures`. PyAV copies what `read` returns into a
buffer of `n` bytes without looking, so `read` must never return more.
"""

from __future__ import annotations

import io
import os
import re
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from cameras.ingest.sources import http_failures
from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.sources.http_client import HTTPClient
from cameras.ingest.sources.http_failures import HTTPFailure
from cameras.ingest.sources.http_response import READ, Response

MAX_PLAYLIST = 1024 * 1024  # bytes; a longer one is cut off
MAX_FAILURES = 16  # the oldest is forgotten
MAX_SEEKS = 64  # requests for one body
SKIPPED = 64 * 1024  # bytes that are read rather than asked past
MAGIC = b"#EXTM3U"
MAX_BLANK = 1024  # bytes before it

BLOCK = 16

_ELSEWHERE = re.compile(rb"(?im)^[ \t]*(?!https?://)([a-z][a-z0-9+.,-]{0,40}://\S*)")
_BEFORE_MAGIC = b"\xef\xbb\xbf\r\n \t"
_WRITE = 2  # AVIO_FLAG_WRITE
_CRYPTO = ("crypto+", "crypto:")


class HTTPOpener:
    """Opens URLs for FFmpeg, for one `av.open`. `begun` is an answer to the first that came.

    `recorded` tells whether a recording or a playlist was read, which come as fast as they are
    taken. `format` is for `av.open`, too. `failures` holds why parts did not open or broke off, the
    newest last.
    """

    def __init__(self, client: HTTPClient, begun: Response | None = None) -> None:
        self.recorded = False
        self.failures: deque[SourceError] = deque(maxlen=MAX_FAILURES)
        self.content_type = "" if begun is None else begun.content_type
        self._client = client
        self._begun = begun
        self._bodies: set[_Body] = set()  # open ones: PyAV leaves them open where its open fails
        # FFmpeg takes a playlist for one by its name or by a media type that it is not told here.
        self.format = "hls" if begun is not None and _is_playlist(begun) else None

    def __call__(self, url: str, flags: int, options: Mapping[str, str]) -> _Body:
        """As `io_open` of PyAV. Never raises."""
        try:
            if flags & _WRITE:
                raise HTTPFailure("The camera's video asks to be written to.")
            body = self._open(url, options)
            self._bodies.add(body)
            return body
        except (SourceError, OSError, ValueError) as error:
            self.fail(error)
        return _Body(self, io.BytesIO())

    @property
    def failure(self) -> SourceError:
        """Why nothing could be read: the newest reason, else that it is not video."""
        return self.failures[-1] if self.failures else http_failures.not_video(self.content_type)

    def close(self) -> None:
        """Close what FFmpeg left open, and the answer that was begun. Idempotent."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.close()
        for body in tuple(self._bodies):
            body.close()

    def forget(self, body: _Body) -> None:
        """A body was closed."""
        self._bodies.discard(body)

    def fail(self, error: Exception) -> None:
        """Keep the reason for the sentence."""
        if not isinstance(error, SourceError):
            error = http_failures.unreachable(self._client.address, error)
        self.failures.append(error)

    def _open(self, url: str, options: Mapping[str, str]) -> _Body:
        is_packed = url.startswith(_CRYPTO)
        plain = url[len(_CRYPTO[0]) :] if is_packed else url
        if not plain.lower().startswith(("http://", "https://")):
            raise http_failures.no_http(url)
        first, last = _span(options)
        begun, self._begun = self._begun, None
        if begun is not None and (plain != self._client.url or first or last is not None):
            begun.close()
            begun = None
        response = begun or self._client.get(plain, _range(first, last))
        self.content_type = self.content_type or response.content_type
        try:
            return self._body(response, plain, first, last, options if is_packed else {})
        except BaseException:
            response.close()
            raise

    def _body(
        self,
        response: Response,
        url: str,
        first: int,
        last: int | None,
        options: Mapping[str, str],
    ) -> _Body:
        span = _Span(self._client, response, url, first, last)
        if options:
            return _Decrypted(self, span, options)
        if first == 0:
            if _is_playlist(response):
                self.recorded = True
                with closing(span):
                    playlist = _playlist(response)
                if found := _ELSEWHERE.search(playlist):  # FFmpeg refuses a segment without asking
                    self.fail(http_failures.no_http(found[1].decode("latin-1")))
                return _Body(self, io.BytesIO(playlist))
            head = response.peek(12)
            live = response.content_type.startswith("multipart/")
            self.recorded |= (response.length is not None and not live) or head[4:8] == b"ftyp"
        return _Seekable(self, span) if span.can_seek else _Body(self, span)


class _Source(Protocol):
    def read(self, n: int, /) -> bytes: ...
    def close(self) -> None: ...


class _Span:
    """A resource from byte `first` to before `last`, by as many requests as it takes."""

    def __init__(
        self, client: HTTPClient, response: Response, url: str, first: int, last: int | None
    ) -> None:
        self._client, self._response, self._url = client, response, url
        self._at = first if response.status == 206 else 0  # of the server's next byte
        self.position = first  # of the byte that is read next
        self._last = last
        self._requests = 0
        self.size = response.length
        ranged = response.headers.get("accept-ranges").lower() == "bytes"
        self.can_seek = bool(self.size) and ranged and first == 0 and last is None

    def read(self, n: int) -> bytes:
        """Raises `SourceError` and `OSError`."""
        if self._last is not None:
            n = min(n, self._last - self.position)
        if self.can_seek and self.size is not None and self.position >= self.size:
            return b""
        if n <= 0 or not self._arrive():
            return b""
        part = self._response.read(n)
        self.position += len(part)
        self._at = self.position
        return part

    def close(self) -> None:
        self._response.close()

    def _arrive(self) -> bool:
        """Make the server's next byte the one that is wanted. False where it has none."""
        ahead = self.position - self._at
        if self.can_seek and not 0 <= ahead <= SKIPPED:
            self._ask_again()
        while self._at < self.position:
            part = self._response.read(min(READ, self.position - self._at))
            self._at += len(part)
            if not part:
                return False
        return True

    def _ask_again(self) -> None:
        self._response.close()
        self._requests += 1
        if self._requests > MAX_SEEKS:
            raise HTTPFailure("The recording cannot be read in order: it leads back and forth.")
        self._response = self._client.get(self._url, _range(self.position, None))
        if self._response.status != 206:
            raise HTTPFailure("The camera does not send parts of the recording when asked.")
        self._at = self.position


class _Body:
    """What PyAV reads. Never raises. Without `seek`: PyAV takes what has it for seekable."""

    def __init__(self, opener: HTTPOpener, source: _Source) -> None:
        self._opener, self._source = opener, source

    def read(self, n: int) -> bytes:
        """At most `n` bytes; b"" at the end, and where it broke off."""
        try:
            return self._read(n)
        except (SourceError, OSError, ValueError) as error:
            self._opener.fail(error)
        return b""

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._opener.forget(self)
        self._source.close()

    def _read(self, n: int) -> bytes:
        return self._source.read(n)


class _Seekable(_Body):
    def __init__(self, opener: HTTPOpener, span: _Span) -> None:
        super().__init__(opener, span)
        self._span = span

    def tell(self) -> int:
        return self._span.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Takes effect at the next read."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._span.position, os.SEEK_END: self._span.size or 0}
        self._span.position = max(0, base[whence] + offset)
        return self._span.position


class _Decrypted(_Body):
    """AES-128 in CBC mode with padding, as HLS encrypts segments. Holds one read, and a block."""

    def __init__(self, opener: HTTPOpener, span: _Span, options: Mapping[str, str]) -> None:
        """Raises `ValueError` for a key that is none."""
        key, iv = (bytes.fromhex(options.get(name, "")) for name in ("key", "iv"))
        self._cipher: CipherContext = Cipher(algorithms.AES128(key), modes.CBC(iv)).decryptor()
        super().__init__(opener, span)
        self._ready = b""  # decrypted, without the last block while more may follow
        self._block = b""
        self._ended = False

    def _read(self, n: int) -> bytes:
        while not self._ready and not self._ended:
            part = self._source.read(READ)
            self._ended = not part
            plain = self._block + self._cipher.update(part)
            if self._ended:
                self._ready, self._block = plain[: -plain[-1]] if plain else b"", b""
            else:
                self._ready, self._block = plain[:-BLOCK], plain[-BLOCK:]
        part, self._ready = self._ready[:n], self._ready[n:]
        return part


def _is_playlist(response: Response) -> bool:
    """Whether the body begins with the magic, looking past a byte order mark and blank lines."""
    start = response.peek(12).lstrip(_BEFORE_MAGIC)
    if not start or MAGIC.startswith(start[: len(MAGIC)]):
        start = response.peek(MAX_BLANK).lstrip(_BEFORE_MAGIC)
    return start.startswith(MAGIC)


def _playlist(response: Response) -> bytes:
    """The playlist from its magic on, which FFmpeg wants first; cut off at `MAX_PLAYLIST`."""
    body = b""
    while len(body) < MAX_PLAYLIST and (part := response.read(READ)):
        body += part
    return body[:MAX_PLAYLIST].lstrip(_BEFORE_MAGIC)


def _span(options: Mapping[str, str]) -> tuple[int, int | None]:
    """First byte, and the one after the last, as FFmpeg asks for them. Raises `ValueError`."""
    first, last = int(options.get("offset", 0)), int(options.get("end_offset", 0))
    return max(0, first), last if last > 0 else None


def _range(first: int, last: int | None) -> dict[str, str]:
    if not first and last is None:
        return {}
    return {"Range": f"bytes={first}-{'' if last is None else last - 1}"}
