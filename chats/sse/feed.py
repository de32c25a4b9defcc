"""The newest events of one generation, and the subscribers who follow it live. Django-free.

The process that makes the answer fills its feed itself (`generations/buffer.py`); other processes
fill theirs from the log (`generations/log_reader.py`). Everything runs on one event loop.
"""

from __future__ import annotations

import uuid
from collections import deque

from chats.sse.encoding import as_chunk, event_bytes
from chats.sse.subscribers import Subscriber

TAIL = 256  # stored events kept in memory; older ones are read from the log


class Feed:
    """Numbers, keeps and sends events. Bound: `TAIL` events, if the owner calls `trim`."""

    def __init__(self, generation_id: uuid.UUID, seq: int = 0) -> None:
        """`seq`: the number of the last event before the feed's first one."""
        self.generation_id = generation_id
        self.seq = self._before = seq  # of the last event; of the one before the oldest kept
        self.tail: deque[tuple[int, bytes]] = deque()
        self.subscribers: set[Subscriber] = set()
        self.is_done = False  # the `done` event was sent
        self.is_lost = False  # deleted, or the log could not be read for too long

    def publish(self, seq: int, line: str) -> int:
        """Send an event, given as JSON, to all subscribers; return its size in bytes."""
        self.seq = seq
        data = event_bytes(seq, line)
        self.tail.append((seq, data))
        if self.subscribers:
            framed = as_chunk(data)
            for subscriber in tuple(self.subscribers):
                subscriber.send(data, framed)
        return len(data)

    def trim(self, stored: int) -> None:
        """Forget the oldest events up to number `stored`, but keep `TAIL`."""
        tail = self.tail
        while len(tail) > TAIL and tail[0][0] <= stored:
            self._before, _ = tail.popleft()

    def has(self, after: int) -> bool:
        """Whether all events after number `after` are in memory."""
        return self._before <= after <= self.seq

    def is_ahead(self, after: int) -> bool:
        """Whether there is no event `after` yet; only the process that makes the events knows."""
        return False

    def events_after(self, after: int) -> list[tuple[int, bytes]]:
        """Return the events after number `after`; valid only if `has(after)`."""
        return [(seq, data) for seq, data in self.tail if seq > after]

    def end(self, *, is_lost: bool = False) -> None:
        """Release all subscribers: this feed gets no more events."""
        self.is_lost = is_lost
        for subscriber in tuple(self.subscribers):
            subscriber.end()
        self.subscribers.clear()
