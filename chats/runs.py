"""An answer that this process makes: what was said of it, what is stored, and who reads along.

Django-free. Everything happens on the serving loop, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from typing import Any, Protocol

from chats.streams import BURST, as_chunk, chunk_json, event_bytes, event_json, pieces

TAIL = 256  # events kept at hand beyond what is not stored; older ones are read from the log
UNSTORED_MOST = 256 * 1024  # characters; with more that is not stored, the model is not read
TEXT_MOST = 256 * 1024  # characters of an answer


class Listener(Protocol):
    """Somebody who is told an answer as it is made."""

    def take(self, data: bytes, framed: bytes) -> None:
        """An event; `framed` is the same as a chunk of HTTP. Never waits."""

    def end(self) -> None:
        """Nothing more comes."""


class Run:
    """One answer. Bound: `TEXT_MOST` of text; `TAIL` events and what is not yet stored."""

    def __init__(self, generation_id: uuid.UUID, message_id: uuid.UUID) -> None:
        self.generation_id = generation_id
        self.message_id = message_id
        self.readers: set[Listener] = set()
        self.seq = 0
        self.stored = 0
        self.unstored: list[str] = []  # events as JSON
        self.tail: deque[tuple[int, bytes]] = deque()
        self.shown: list[str] = []  # the text that was shown
        self.size = 0  # characters of text heard
        self.done = False  # the last event was said
        self.room = asyncio.Event()
        self.room.set()
        self.drained = asyncio.Event()
        self.drained.set()
        self._heard: list[str] = []
        self._unstored_size = 0

    @property
    def waits(self) -> bool:
        """Whether there is text that was not shown."""
        return bool(self._heard)

    def hear(self, text: str) -> None:
        """Text from the model; shown with the next tick."""
        self.size += len(text)
        if not self._heard:
            self.drained.clear()
        self._heard.append(text)

    def forget(self) -> None:
        """What was not shown is not kept."""
        self._heard.clear()
        self.drained.set()

    def show(self) -> None:
        """Say what was heard, a burst at most."""
        text, said, budget = "".join(self._heard), 0, BURST
        for piece in pieces(text):
            self.shown.append(piece)
            said += len(piece)
            budget -= self._tell(chunk_json(piece))
            if budget <= 0:
                break
        self._heard = [text[said:]] if said < len(text) else []
        if not self._heard:
            self.drained.set()

    def say(self, event: dict[str, Any]) -> None:
        """Number an event, tell it to all readers and keep it for the log."""
        self.done = event["type"] == "done"
        self._tell(event_json(event))

    def _tell(self, line: str) -> int:
        self.seq += 1
        data = event_bytes(self.seq, line)
        self.unstored.append(line)
        self._unstored_size += len(line)
        if self._unstored_size > UNSTORED_MOST:
            self.room.clear()
        self.tail.append((self.seq, data))
        if self.readers:
            framed = as_chunk(data)
            for reader in tuple(self.readers):
                reader.take(data, framed)
        return len(data)

    def stretch(self) -> tuple[int, list[str]]:
        """What is to be stored next: the number of the first event, and the events."""
        return self.stored + 1, self.unstored[:]

    def keep(self, lines: list[str]) -> None:
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
        self.room.set()

    def has(self, after: int) -> bool:
        """Whether all events behind `after` are at hand."""
        return after <= self.seq and (not self.tail or self.tail[0][0] <= after + 1)

    def behind(self, after: int) -> list[tuple[int, bytes]]:
        """The events behind `after`, which are at hand."""
        return [(seq, data) for seq, data in self.tail if seq > after]

    def end(self) -> None:
        """Nothing more comes of it here."""
        for reader in tuple(self.readers):
            reader.end()
        self.readers.clear()
