"""The buffer of one generation that runs in this process: its feed, and events not yet stored.

Django-free. Everything runs on one event loop, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from chats.sse.encoding import BURST, chunk_json, event_json, pieces
from chats.sse.feed import Feed

log = logging.getLogger(__name__)

MAX_UNSTORED = 256 * 1024  # characters; with more, reading from the model pauses
MAX_TEXT = 256 * 1024  # characters of an answer
TICK_S = 0.040  # shortest time between two flushes
MAX_TICK_S = 0.120
IDLE_FACTOR = 30  # the pause between flushes is at least this many times the work of one


class Buffer(Feed):
    """Events of one generation. Bound: `MAX_TEXT` of text; `TAIL` events and all unstored ones."""

    def __init__(self, generation_id: uuid.UUID, message_id: uuid.UUID) -> None:
        super().__init__(generation_id)
        self.message_id = message_id
        self.stored = 0  # number of the last stored event
        self.unstored: list[str] = []  # events as JSON
        self.published: list[str] = []  # text sent to subscribers
        self.text_size = 0  # characters received from the model
        self.has_room = asyncio.Event()  # cleared beyond `MAX_UNSTORED`
        self.has_room.set()
        self.drained = asyncio.Event()  # all received text was published
        self.drained.set()
        self._pending: list[str] = []  # received text that is not published yet
        self._unstored_size = 0

    def is_ahead(self, after: int) -> bool:
        return after > self.seq

    @property
    def has_pending_text(self) -> bool:
        """Whether received text waits for a flush."""
        return bool(self._pending)

    def add_text(self, text: str) -> None:
        """Add text from the model; the next flush publishes it."""
        self.text_size += len(text)
        if not self._pending:
            self.drained.clear()
        self._pending.append(text)

    def discard_pending_text(self) -> None:
        """Drop the text that was not published."""
        self._pending.clear()
        self.drained.set()

    def flush(self) -> None:
        """Publish pending text as `chunk` events, at most `BURST` bytes."""
        text, sent, budget = "".join(self._pending), 0, BURST
        for piece in pieces(text):
            self.published.append(piece)
            sent += len(piece)
            budget -= self._append_line(chunk_json(piece))
            if budget <= 0:
                break
        self._pending = [text[sent:]] if sent < len(text) else []
        if not self._pending:
            self.drained.set()

    def append(self, event: dict[str, Any]) -> None:
        """Number an event, send it to all subscribers and keep it for the log."""
        self.is_done = event["type"] == "done"
        self._append_line(event_json(event))

    def _append_line(self, line: str) -> int:
        """Publish an event given as JSON; return its size in bytes."""
        self.unstored.append(line)
        self._unstored_size += len(line)
        if self._unstored_size > MAX_UNSTORED:
            self.has_room.clear()
        return self.publish(self.seq + 1, line)

    def unstored_events(self) -> tuple[int, list[str]]:
        """Return the number of the first unstored event, and all unstored events as JSON."""
        return self.stored + 1, self.unstored[:]

    def mark_stored(self, lines: list[str]) -> None:
        """Record that `lines`, the first of `unstored`, are in the log."""
        if len(lines) == len(self.unstored):
            self.unstored.clear()
            self._unstored_size = 0
        else:
            del self.unstored[: len(lines)]
            self._unstored_size -= sum(map(len, lines))
        self.stored += len(lines)
        self.trim(self.stored)
        self.has_room.set()


class FlushTimer:
    """Flushes all `buffers` together, every `TICK_S` to `MAX_TICK_S` while text is pending.

    Calls `on_flush` after each flush, and `stop` with the id of a generation that cannot be
    flushed.
    """

    def __init__(
        self,
        buffers: Mapping[uuid.UUID, Buffer],
        on_flush: Callable[[], None],
        stop: Callable[[uuid.UUID], None],
    ) -> None:
        self._buffers = buffers
        self._on_flush = on_flush
        self._stop = stop
        self._timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._work_s = 0.0  # moving average, with the delay of the timer

    def schedule(self, buffer: Buffer) -> None:
        """Flush the first text of a buffer at once, later text with the next tick."""
        if not buffer.published:
            buffer.flush()
            self._on_flush()
        if self._timer is None and buffer.has_pending_text:
            pause = min(max(TICK_S, IDLE_FACTOR * self._work_s), MAX_TICK_S)
            due = max(self._flushed_at + pause, time.monotonic())
            wait = due - time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(wait, self._flush, due)

    def _flush(self, due: float) -> None:
        """Flush all buffers. The time since `due` sets the pause before the next flush."""
        self._timer = None
        rest = None
        for buffer in tuple(self._buffers.values()):
            if buffer.has_pending_text:
                try:
                    buffer.flush()
                except Exception:  # one broken buffer must not block the others
                    log.exception("answer %s could not be flushed", buffer.message_id)
                    self._stop(buffer.generation_id)
                if buffer.has_pending_text:
                    rest = buffer
        self._flushed_at = time.monotonic()
        self._work_s = (self._work_s + self._flushed_at - due) / 2
        self._on_flush()
        if rest is not None:
            self.schedule(rest)
