"""Filter for the messages of an RTSP server before FFmpeg reads them.

FFmpeg's demuxer follows a 3xx response to any address, ends a line at a bare LF, drops every CR,
takes a `$` at the start of any line for a frame, and reads a frame of 1 to 7 bytes as lines. The
filter passes only bytes that cannot be read in two ways, and no redirect.
"""

from __future__ import annotations

import re

from cameras.ingest.sources.addresses import Address, SourceError

MAX_HEAD = 16 * 1024
MAX_BODY = 256 * 1024  # of a description, which is some hundred bytes long
SHORTEST = 8  # bytes of a frame that FFmpeg takes out of the stream; an empty one it skips too

MALFORMED = "The camera does not keep to the rules of RTSP, so its connection was cut."
UDP_ONLY = "The camera sends its video over UDP only; switch on RTSP over TCP in the camera."

_STATUS = re.compile(rb"RTSP/[12]\.\d ([1-5]\d\d)(?: [^\x00-\x1f\x7f]*)?")
_REQUEST = re.compile(rb"([A-Z_]{1,32}) [!-~]+ RTSP/[12]\.\d")
_HEADER = re.compile(rb"([!#%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_LENGTH = re.compile(rb"\d{1,7}[ \t]*")
_TCP = re.compile(rb"[a-z-]+(/[a-z]+)?/tcp(;[^,]*)?", re.IGNORECASE)
_FRAME = ord("$")


class ResponseFilter:
    """The server's side of one connection. `status` is that of its last answer, at first 0.

    Once an answer is a failure it stays, but for 401, which only asks for the login. Bound: the
    longest head.
    """

    def __init__(self) -> None:
        self.status = 0
        self._held = b""  # a head that is not whole yet
        self._left = 0  # bytes of a frame or a body still to come
        self._messages = 0

    def feed(self, data: bytes) -> bytes:
        """As much of what was received as may go on. Raises `SourceError`, or `ValueError` for
        what is no RTSP at all; the connection is to be cut then."""
        at = min(self._left, len(data))
        self._left -= at
        if self._held:
            data, self._held = self._held + data, b""
        while at < len(data):
            length = self._next(data, at)
            if not length:
                break
            at += length
        if at > len(data):
            self._left = at - len(data)
        self._held = data[at:]
        return data[:at]

    def _next(self, data: bytes, at: int) -> int:
        """The length of the frame or message that begins there; 0 where that is not known yet."""
        if data[at] == _FRAME:
            if len(data) - at < 4:
                return 0
            length = data[at + 2] << 8 | data[at + 3]
            if 0 < length < SHORTEST:
                raise SourceError(MALFORMED)
            return 4 + length
        if data.startswith(b"\r\n", at):
            return 2  # FFmpeg reads an empty answer, which leads nowhere
        return self._message(data, at)

    def _message(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n\r\n", at, at + MAX_HEAD)
        lines = data[at : end if end >= 0 else at + MAX_HEAD].split(b"\r\n")
        if end >= 0 or len(lines) > 1 or b"\n" in lines[0]:
            self._check_first(lines[0])
        if end < 0:
            if any(b"\n" in line for line in lines) or len(data) - at >= MAX_HEAD:
                raise SourceError(MALFORMED)
            return 0
        body = self._check(lines)
        self._messages += 1
        return end + 4 - at + body

    def _check_first(self, line: bytes) -> None:
        if not _STATUS.fullmatch(line) and not _REQUEST.fullmatch(line):
            if not self._messages:
                raise ValueError("not RTSP")
            raise SourceError(MALFORMED)

    def _check(self, lines: list[bytes]) -> int:
        """A whole head; the length of the body that follows it."""
        headers: list[tuple[bytes, bytes]] = []
        for line in lines[1:]:
            found = _HEADER.fullmatch(line)
            if not found:
                raise SourceError(MALFORMED)
            headers.append((found[1].lower(), found[2]))
        status = _STATUS.fullmatch(lines[0])
        if status:
            self._note(int(status[1]))
        leads_on = lines[0].startswith(b"REDIRECT ") or (status and 300 <= int(status[1]) < 400)
        if leads_on:
            raise SourceError(_onward(headers))
        if any(name == b"transport" and not _TCP.fullmatch(value) for name, value in headers):
            raise SourceError(UDP_ONLY)
        lengths = [value for name, value in headers if name == b"content-length"]
        if not lengths:
            return 0
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]) or int(lengths[0]) > MAX_BODY:
            raise SourceError(MALFORMED)
        return int(lengths[0])

    def _note(self, status: int) -> None:
        if self.status < 400 or self.status == 401:
            self.status = status


def _onward(headers: list[tuple[bytes, bytes]]) -> str:
    """The sentence for a camera that leads on; of the address only host and port are shown."""
    where = "another address"
    for name, value in headers:
        if name == b"location":
            try:
                onward = Address.parse("rtsp", value.strip().decode("ascii"))
            except ValueError:
                break
            where = f"{onward.host}:{onward.port}"
    return f"The camera sends viewers on to {where}; enter that address yourself."
