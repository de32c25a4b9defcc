"""Who follows an answer over HTTP: at most `BEHIND_MOST` is kept for one who does not read.

On our own server a reader's connection is written to directly, so an event costs little more than
the system call; elsewhere the response's generator takes what waits.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from chats.sse.encoding import PING

BEHIND_MOST = 256 * 1024  # bytes; who is further behind is dropped, and resumes
STUCK_S = 60.0  # ... and so is who reads nothing of what waits
SILENT_S = 14.0  # then it is pinged, within a second
ASK_S = 0.1


class Subscriber:
    """One response. `over` is set when the run ended, or the reader was dropped."""

    def __init__(self) -> None:
        self._told_at = self._moved_at = time.monotonic()
        self.taken = self._told = self._sent = 0  # bytes
        self.over = asyncio.Event()
        self.dropped = False

    def take(self, data: bytes, framed: bytes) -> None:
        """An event, now; `framed` is the same as one chunk of HTTP/1.1."""
        raise NotImplementedError

    def waiting(self) -> int:
        """Bytes that were taken and not sent."""
        raise NotImplementedError

    def look_after(self, now: float) -> None:
        """Ping it, or let it go; to be called every second."""
        if self.is_stuck(now):
            self.drop()
        elif self.is_silent(now) and not self.waiting():
            self.ping()

    def is_silent(self, now: float) -> bool:
        """Whether it has been told nothing for `SILENT_S`."""
        if self.taken != self._told:
            self._told, self._told_at = self.taken, now
        return now - self._told_at > SILENT_S

    def is_stuck(self, now: float) -> bool:
        """Whether something waits, and nothing of it has moved for `STUCK_S`."""
        waiting = self.waiting()
        sent = self.taken - waiting
        if not waiting or sent > self._sent:
            self._sent, self._moved_at = sent, now
        return now - self._moved_at > STUCK_S

    def ping(self) -> None:
        """Say that the connection is alive."""
        raise NotImplementedError

    async def read(self) -> None:
        """Until the peer has taken all, or is stuck."""
        while not self.dropped and self.waiting():
            if self.is_stuck(time.monotonic()):
                self.drop()
            await asyncio.sleep(ASK_S)

    def end(self) -> None:
        """Nothing more comes from the run."""
        self.over.set()

    def drop(self) -> None:
        """Let go of a reader that is too far behind."""
        self.dropped = True
        self.over.set()


class WireSubscriber(Subscriber):
    """Writes to the connection by itself, once the response has begun."""

    def __init__(self, wire: Any) -> None:
        super().__init__()
        self._wire = wire

    def take(self, data: bytes, framed: bytes) -> None:
        if self.dropped:
            return
        if self._wire.behind(BEHIND_MOST):
            self.drop()
        else:
            self.taken += self._wire.write(data, framed)

    def drop(self) -> None:
        super().drop()
        self._wire.abort()

    def waiting(self) -> int:
        return int(self._wire.waiting())

    def ping(self) -> None:
        self.take(PING, b"8\r\n" + PING + b"\r\n")


class QueueSubscriber(Subscriber):
    """Keeps what the response's generator has not taken yet."""

    def __init__(self, waiting: Any = None) -> None:
        super().__init__()
        self._waiting = waiting  # what the server has not sent, where it can be asked
        self._parts: list[bytes] = []
        self._size = 0
        self._finished = False
        self._something = asyncio.Event()

    def take(self, data: bytes, framed: bytes) -> None:
        if self.dropped:
            return
        if self.waiting() > BEHIND_MOST:
            self.drop()
            return
        self.taken += len(data)
        self._parts.append(data)
        self._size += len(data)
        self._something.set()

    def waiting(self) -> int:
        return self._size + (self._waiting() if self._waiting is not None else 0)

    def ping(self) -> None:
        self.take(PING, b"")

    def drop(self) -> None:
        super().drop()
        self._parts.clear()
        self._something.set()

    def finish(self) -> None:
        """Nothing more is taken; what waits is still given."""
        self._finished = True
        self._something.set()

    async def next(self) -> bytes:
        """The oldest that waits; empty at the end, or when the reader was dropped."""
        while not (self._parts or self.dropped or self._finished):
            self._something.clear()
            await self._something.wait()
        if not self._parts:
            return b""
        data = self._parts.pop(0)
        self._size -= len(data)
        return data
