"""Clients that follow an answer over HTTP. Bound: `MAX_BEHIND` bytes for one that reads slowly.

On our own server a subscriber writes to the connection directly, so an event costs little more
than the system call. On other servers the response's generator takes events from a queue.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from chats.sse.encoding import PING, as_chunk

MAX_BEHIND = 256 * 1024  # bytes; a client further behind is dropped, and resumes
STUCK_S = 60.0  # a client that reads none of its pending bytes for so long is dropped
SILENCE_S = 14.0  # after so long without an event a ping is sent, within a second
POLL_S = 0.1


class Subscriber:
    """One response. `ended` is set when the generation ends or the subscriber is dropped."""

    def __init__(self) -> None:
        self._active_at = self._moved_at = time.monotonic()
        self.accepted = self._counted = self._delivered = 0  # bytes
        self.ended = asyncio.Event()
        self.is_dropped = False

    def send(self, data: bytes, framed: bytes) -> None:
        """Send an event now; `framed` is `data` as one chunk of HTTP/1.1."""
        raise NotImplementedError

    def waiting(self) -> int:
        """Return the number of bytes accepted and not yet delivered."""
        raise NotImplementedError

    def check(self, now: float) -> None:
        """Drop a stuck subscriber, ping a silent one. Call it every second."""
        if self.is_stuck(now):
            self.drop()
        elif self.is_silent(now) and not self.waiting():
            self.ping()

    def is_silent(self, now: float) -> bool:
        """Whether nothing has been sent for `SILENCE_S`."""
        if self.accepted != self._counted:
            self._counted, self._active_at = self.accepted, now
        return now - self._active_at > SILENCE_S

    def is_stuck(self, now: float) -> bool:
        """Whether bytes wait, and none have been delivered for `STUCK_S`."""
        waiting = self.waiting()
        delivered = self.accepted - waiting
        if not waiting or delivered > self._delivered:
            self._delivered, self._moved_at = delivered, now
        return now - self._moved_at > STUCK_S

    def ping(self) -> None:
        """Send a comment that keeps the connection open."""
        self.send(PING, as_chunk(PING))

    async def drain(self) -> None:
        """Wait until the client has read everything, or drop it if it is stuck."""
        while not self.is_dropped and self.waiting():
            if self.is_stuck(time.monotonic()):
                self.drop()
            await asyncio.sleep(POLL_S)

    def end(self) -> None:
        """Mark the end: the buffer sends no more events."""
        self.ended.set()

    def drop(self) -> None:
        """Give up a client that is too far behind."""
        self.is_dropped = True
        self.ended.set()


class WriterSubscriber(Subscriber):
    """Writes to the connection itself, once the response has begun."""

    def __init__(self, writer: Any) -> None:
        super().__init__()
        self._writer = writer

    def send(self, data: bytes, framed: bytes) -> None:
        if self.is_dropped:
            return
        if self._writer.is_behind(MAX_BEHIND):
            self.drop()
        else:
            self.accepted += self._writer.write(data, framed)

    def drop(self) -> None:
        super().drop()
        self._writer.abort()

    def waiting(self) -> int:
        return int(self._writer.waiting())


class QueueSubscriber(Subscriber):
    """Queues events for the response's generator."""

    def __init__(self, server_waiting: Any = None) -> None:
        """`server_waiting`: returns the bytes that the server has not sent, if it can tell."""
        super().__init__()
        self._server_waiting = server_waiting
        self._queue: list[bytes] = []
        self._size = 0
        self._is_finished = False
        self._changed = asyncio.Event()

    def send(self, data: bytes, framed: bytes) -> None:
        if self.is_dropped:
            return
        if self.waiting() > MAX_BEHIND:
            self.drop()
            return
        self.accepted += len(data)
        self._queue.append(data)
        self._size += len(data)
        self._changed.set()

    def waiting(self) -> int:
        return self._size + (self._server_waiting() if self._server_waiting is not None else 0)

    def drop(self) -> None:
        super().drop()
        self._queue.clear()
        self._changed.set()

    def finish(self) -> None:
        """End the queue: `next` still returns what it holds."""
        self._is_finished = True
        self._changed.set()

    async def next(self) -> bytes:
        """Return the oldest queued event; `b""` at the end, or after a drop."""
        while not (self._queue or self.is_dropped or self._is_finished):
            self._changed.clear()
            await self._changed.wait()
        if not self._queue:
            return b""
        data = self._queue.pop(0)
        self._size -= len(data)
        return data
