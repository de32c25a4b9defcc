"""Whole JPEGs out of an MJPEG body, whatever lies between them.

Cameras write part headers in every way: the boundary twice or never, no type, a wrong length, bare
LF. So part headers are not read: a picture begins with FF D8 FF, its segments are stepped over by
their lengths (EXIF may hold a thumbnail, which is a JPEG, too), and its scans are searched for
FF D9, which costs 0.8 ms a megabyte. A Content-Length would save that, and is often wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum

from cameras.live.jpeg import MAX_JPEG_BYTES, MAX_SEGMENTS

READ = 256 * 1024

_START = b"\xff\xd8\xff"
_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # all but stuffing, fill bytes and restarts
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a segment
_BETWEEN_SCANS = frozenset((0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)))
_BEFORE = (b"\n", b"\xff\xd9", b"\0")  # what ends before a picture, when one was damaged
_LINE = re.compile(rb"\n?--[!-~ ]{1,200}\r?\n[A-Za-z-]{1,40}[ \t]*:")  # a boundary, and a header
_DOUBTED = 16  # starts that are not believed after a damaged picture, as they may be thumbnails


class _Walk(Enum):
    """Where the search for a picture's end stands, if it is not found."""

    UNFINISHED = 1
    DAMAGED = 2


class JPEGReader:
    """Iterates over the pictures of a body; `read(n)` is as that of a response, b"" at the end.

    Buffers one picture of at most `MAX_JPEG_BYTES`, and one read. `dropped` counts the pictures
    that were cut short, damaged or larger. How the bytes are split into reads makes no difference.
    """

    def __init__(
        self, read: Callable[[int], bytes], boundary: bytes | None = None, *, pending: bytes = b""
    ) -> None:
        """`boundary` is as Content-Type tells it; `pending` was read of the body already."""
        self.dropped = 0
        self._read = read
        line = b"--" + (boundary or b"").strip().lstrip(b"-")
        self._boundary = line if len(line) > 4 else None  # shorter ones occur in pictures
        self._data = bytearray(pending)
        self._at = 0  # how far the walk through a picture came
        self._in_scan = False
        self._steps = 0  # segments and fill bytes
        self._doubts = 0

    def __iter__(self) -> Iterator[bytes]:
        while self._find_start():
            end = self._find_end()
            if end is None:
                self.dropped += 1
                continue
            self._doubts = 0
            with memoryview(self._data) as view:
                picture = bytes(view[:end])
            del self._data[:end]
            yield picture

    def _more(self) -> bool:
        part = self._read(READ)
        self._data += part
        return bool(part)

    def _find_start(self) -> bool:
        """Drop what is before the next picture. False at the end."""
        begin = 0
        while True:
            at = self._data.find(_START, begin)
            if at < 0:
                del self._data[:-4]  # a start may be cut in two, and what is before it counts
                begin = 0
                if not self._more():
                    return False
            elif self._doubts and not self._data.endswith(_BEFORE, 0, at):
                self._doubts -= 1
                begin = at + 1
            else:
                del self._data[:at]
                return True

    def _find_end(self) -> int | None:
        """The length of the picture that begins the buffer; None where it is dropped."""
        self._at, self._in_scan, self._steps = 2, False, 0
        while True:
            end = self._walk()
            if isinstance(end, int) and end <= MAX_JPEG_BYTES:
                return end
            if end is _Walk.DAMAGED and self._at <= MAX_JPEG_BYTES:
                self._drop()
                return None
            if not self._in_scan and (line := self._boundary_before(self._at)):
                self._go_on_at(line)
                return None
            if len(self._data) > MAX_JPEG_BYTES:  # whatever comes after that
                self._go_on_at(MAX_JPEG_BYTES)
                return None
            if not self._more():
                self._data.clear()
                return None

    def _drop(self) -> None:
        """Go on behind the damage, or at the boundary that the walk stepped over."""
        if not self._in_scan:
            return self._go_on_at(self._boundary_before(self._at) or self._at)
        # In a scan no start can be but that of the next picture.
        is_start = self._data[self._at + 1] == 0xD8
        return self._go_on_at(self._at, doubts=0 if is_start else _DOUBTED)

    def _go_on_at(self, at: int, doubts: int = _DOUBTED) -> None:
        self._doubts = doubts
        del self._data[: max(2, at - 2)]  # what comes before a start counts

    def _walk(self) -> int | _Walk:
        """The picture's length, if its end is there. Goes on from where it stopped."""
        data = self._data
        while True:
            if self._in_scan:
                found = _IN_SCAN.search(data, self._at)
                if not found:
                    self._at = max(self._at, len(data) - 1)
                    return _Walk.UNFINISHED
                self._at = found.start()
            if len(data) < self._at + 2:
                return _Walk.UNFINISHED
            marker = data[self._at + 1]
            self._steps += 1
            if data[self._at] != 0xFF or self._steps > MAX_SEGMENTS:
                return _Walk.DAMAGED
            if marker == 0xD9:
                return self._at + 2 if self._in_scan else _Walk.DAMAGED
            if marker == 0xFF or (marker in _ALONE and not self._in_scan):
                self._at += 1 if marker == 0xFF else 2
                continue
            known = marker in _BETWEEN_SCANS if self._in_scan else marker >= 0xC0
            if not known or marker == 0xD8:
                return _Walk.DAMAGED
            if len(data) < self._at + 4:
                return _Walk.UNFINISHED
            length = data[self._at + 2] << 8 | data[self._at + 3]
            if length < 2:
                return _Walk.DAMAGED
            if marker == 0xDA and not self._in_scan and self._boundary_before(self._at):
                return _Walk.DAMAGED
            self._at += 2 + length
            self._in_scan |= marker == 0xDA

    def _boundary_before(self, end: int) -> int:
        """Where a boundary begins in the picture's segments, else 0."""
        end = min(end, MAX_JPEG_BYTES)
        if self._boundary is not None:
            return max(0, self._data.find(self._boundary, 2, end))
        found = _LINE.search(self._data, 2, end)
        return found.start() if found else 0
