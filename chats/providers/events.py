"""Server-sent events as a client reads them: bytes in any cut, the data of whole events out."""

from __future__ import annotations

import re

from chats.providers.base import Nonsense

LONGEST = 1 << 20  # bytes of one line, and of one event's data

_ENDS = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class Events:
    """Cuts a body into events and keeps their data; comments and other fields are passed over.

    Bound: `LONGEST` bytes for a line and for an event; more raises `Nonsense`.
    """

    def __init__(self) -> None:
        self._tail = bytearray()  # a line whose end has not come
        self._data: list[bytes] = []
        self._size = 0
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this chunk completes."""
        self._tail += chunk
        if len(self._tail) > LONGEST and not _ENDS.search(self._tail, 0, LONGEST + 1):
            raise Nonsense("The model's server sent a line without an end.")
        if b"\n" not in chunk and b"\r" not in self._tail:
            return []
        # A CR at the very end may be half of a CRLF: its line waits for what follows.
        lines = _ENDS.split(self._tail[:-1] if self._tail.endswith(b"\r") else self._tail)
        rest = lines.pop()
        self._tail = bytearray(rest + b"\r" if self._tail.endswith(b"\r") else rest)
        return [data for line in lines if (data := self._line(bytes(line))) is not None]

    def end(self) -> list[bytes]:
        """What the end of the body completes: a last event needs no empty line after it."""
        lines = (bytes(self._tail.removesuffix(b"\r")), b"")
        self._tail.clear()
        return [data for line in lines if (data := self._line(line)) is not None]

    def _line(self, line: bytes) -> bytes | None:
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            data, self._data, self._size = b"\n".join(self._data), [], 0
            return data or None
        field, _, value = line.partition(b":")
        if field in (b"data", b"error"):  # older llama.cpp names the field after what it holds
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
            if self._size > LONGEST:
                raise Nonsense("The model's server sent an event without an end.")
        return None
