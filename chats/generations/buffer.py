"""The buffer of one generation: events not yet stored, and the subscribers who follow it.

Django-free. Everything happens on the serving loop, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from chats.sse.encoding import BURST, as_chunk, chunk_json, event_bytes, event_json, pieces
from chats.sse.subscribers import Subscriber

log = logging.getLogger(__name__)

TAIL = 256  # events kept at hand beyond what is not stored; older ones are read from the log
UNSTORED_MOST = 256 * 1024  # characters; with more that is not stored, the model is not read
TEXT_MOST = 256 * 1024  # characters of an answer
TICK_S = 0.040
SLOWEST_S = 0.120
BUSY = 30  # a tick's work may be one part in so many of the time


class Buffer:
    """One answer. Bound: `TEXT_MOST` of text; `TAIL` events and what is not yet stored."""

    def __init__(self, generation_id: uuid.UUID, message_id: uuid.UUID) -> None:
        self.generation_id = generation_id
        self.message_id = message_id
        self.subscribers: set[Subscriber] = set()
        self.seq = 0
        self.stored = 0
        self.unstored: list[str] = []  # events as JSON
        self.tail: deque[tuple[int, bytes]] = deque()
        self.shown: list[str] = []  # the text that was shown
        self.size = 0  # characters of text heard
        self.done = False  # the last event was said
        self.has_room = asyncio.Event()
        self.has_room.set()
        self.drained = asyncio.Event()
        self.drained.set()
        self._heard: list[str] = []
        self._unstored_size = 0

    @property
    def has_text(self) -> bool:
        """Whether there is text that was not shown."""
        return bool(self._heard)

    def add_text(self, text: str) -> None:
        """Text from the model; shown with the next tick."""
        self.size += len(text)
        if not self._heard:
            self.drained.clear()
        self._heard.append(text)

    def discard_text(self) -> None:
        """What was not shown is not kept."""
        self._heard.clear()
        self.drained.set()

    def flush(self) -> None:
        """Say what was heard, a burst at most."""
        text, said, budget = "".join(self._heard), 0, BURST
        for piece in pieces(text):
            self.shown.append(piece)
            said += len(piece)
            budget -= self._publish(chunk_json(piece))
            if budget <= 0:
                break
        self._heard = [text[said:]] if said < len(text) else []
        if not self._heard:
            self.drained.set()

    def append(self, event: dict[str, Any]) -> None:
        """Number an event, tell it to all readers and keep it for the log."""
        self.done = event["type"] == "done"
        self._publish(event_json(event))

    def _publish(self, line: str) -> int:
        self.seq += 1
        data = event_bytes(self.seq, line)
        self.unstored.append(line)
        self._unstored_size += len(line)
        if self._unstored_size > UNSTORED_MOST:
            self.has_room.clear()
        self.tail.append((self.seq, data))
        if self.subscribers:
            framed = as_chunk(data)
            for reader in tuple(self.subscribers):
                reader.take(data, framed)
        return len(data)

    def unstored_events(self) -> tuple[int, list[str]]:
        """What is to be stored next: the number of the first event, and the events."""
        return self.stored + 1, self.unstored[:]

    def mark_stored(self, lines: list[str]) -> None:
        """These, the first of `unstored`, are stored."""
        if len(lines) == len(self.unstored):
            self.unstored.clear()
            self._unstored_size = 0
        else:
            del self.unstored[: len(lines)]
            self._unstored_size -= sum(map(len, lines))
        self.stored += len(lines)
        tail = self.tail
        while len(tail) > TAIL and tail[0][0] <= self.stored:
            tail.popleft()
        self.has_room.set()

    def has(self, after: int) -> bool:
        """Whether all events behind `after` are at hand."""
        return after <= self.seq and (not self.tail or self.tail[0][0] <= after + 1)

    def events_after(self, after: int) -> list[tuple[int, bytes]]:
        """The events behind `after`, which are at hand."""
        return [(seq, data) for seq, data in self.tail if seq > after]

    def end(self) -> None:
        """Nothing more comes of it here."""
        for reader in tuple(self.subscribers):
            reader.end()
        self.subscribers.clear()


class FlushTimer:
    """The tick of these `runs`. `changed` is told of what was shown; `stop` ends a broken one."""

    def __init__(
        self,
        buffers: Mapping[uuid.UUID, Buffer],
        changed: Callable[[], None],
        stop: Callable[[uuid.UUID], None],
    ) -> None:
        self._buffers = buffers
        self._changed = changed
        self._stop = stop
        self._ticking: asyncio.TimerHandle | None = None
        self._ticked = 0.0
        self._work_s = 0.0

    def schedule(self, buffer: Buffer) -> None:
        """The run has heard something: the first is told at once, the rest on the tick."""
        if not buffer.shown:
            buffer.flush()
            self._changed()
        if self._ticking is None and buffer.has_text:
            pause = min(max(TICK_S, BUSY * self._work_s), SLOWEST_S)
            due = max(self._ticked + pause, time.monotonic())
            wait = due - time.monotonic()
            self._ticking = asyncio.get_running_loop().call_later(wait, self._flush, due)

    def _flush(self, due: float) -> None:
        """Show what was heard since. Its work, and how late it came, set the pace of the next."""
        self._ticking = None
        rest = None
        for buffer in tuple(self._buffers.values()):
            if buffer.has_text:
                try:
                    buffer.flush()
                except Exception:  # the others are told all the same
                    log.exception("answer %s could not be told", buffer.message_id)
                    self._stop(buffer.generation_id)
                if buffer.has_text:
                    rest = buffer
        self._ticked = time.monotonic()
        self._work_s = (self._work_s + self._ticked - due) / 2
        self._changed()
        if rest is not None:
            self.schedule(rest)
