"""Sends the events of a generation from any number on: first from the log, then live.

Django-free: the caller passes an object that reads the log.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from chats.sse import encoding
from chats.sse.encoding import BURST, as_chunk, event_bytes, event_json
from chats.sse.feed import Feed
from chats.sse.subscribers import Subscriber

PACE_S = 0.040  # between bursts of a replay
MAX_WAITING = 32 * 1024  # bytes; a replay pauses while the subscriber has more than this to read
# A log that does not hold the subscriber's event yet (the maker sends before it stores) is read
# so often, with this pause, before the subscriber is told to start again.
MAX_READS, READ_PAUSE_S = 15, 0.2

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LogPart:
    """The events after a number. `is_known`: the log holds the event of that number itself."""

    is_known: bool
    may_grow: bool
    events: list[tuple[int, Event]]


class Log(Protocol):
    """Gives access to the events of all generations."""

    def feed(self, generation_id: uuid.UUID) -> Feed | None:
        """Return the feed that this process has of a generation."""

    def follow(self, generation_id: uuid.UUID, after: int) -> Feed:
        """Return the feed, or a new one that starts after the stored event `after`.

        Add a subscriber before anything else runs: a feed without one ends.
        """

    async def read(self, generation_id: uuid.UUID, after: int) -> LogPart:
        """Return what is stored."""


class Replay:
    """Sends the events of one generation to one subscriber."""

    def __init__(self, log: Log, generation_id: uuid.UUID, subscriber: Subscriber) -> None:
        self._log, self._id, self._subscriber = log, generation_id, subscriber
        self._reads_left = MAX_READS
        self._stored = 0  # the log holds the event of this number

    async def follow(self, after: int) -> None:
        """Send the events after `after`, up to `done`, or until the subscriber is dropped.

        Raises what `Log.read` raises. Returns early if the feed is lost.
        """
        while not self._subscriber.is_dropped and after >= 0:
            feed = self._log.feed(self._id)
            if feed is not None and feed.is_ahead(after):
                after = self._reset()
            elif feed is not None and feed.seq < after <= self._stored:
                await asyncio.sleep(PACE_S)  # the feed is about to read as far as this replay did
            elif feed is None or not feed.has(after):
                after = await self._replay_log(after)
            else:
                missed = feed.events_after(after)
                if sum(len(data) for _, data in missed) > BURST:
                    after = await self._send_burst(missed)
                    continue
                for _, data in missed:
                    self._subscriber.send(data, as_chunk(data))
                after = await self._follow_feed(feed)

    async def _follow_feed(self, feed: Feed) -> int:
        """Follow the feed until it ends; return the last number, or -1 if no more will come."""
        self._subscriber.ended.clear()
        feed.subscribers.add(self._subscriber)
        try:
            await self._subscriber.ended.wait()
        finally:
            feed.subscribers.discard(self._subscriber)
        return -1 if feed.is_done or feed.is_lost else feed.seq

    async def _replay_log(self, after: int) -> int:
        """Send what the log holds; return the last number, or -1 if no more will come.

        If the generation runs, its feed continues from there. (Not only once the log holds nothing
        new: of an answer that grows while it is read, that may never be seen.)
        """
        part = await self._log.read(self._id, after)
        if not part.is_known:
            if not (part.may_grow and self._reads_left):
                return self._reset()
            self._reads_left -= 1
            await asyncio.sleep(READ_PAUSE_S)
            return after
        self._reads_left = MAX_READS
        numbered = [(seq, event_bytes(seq, event_json(event))) for seq, event in part.events]
        while numbered and not self._subscriber.is_dropped:
            after = await self._send_burst(numbered)
            numbered = [(seq, data) for seq, data in numbered if seq > after]
        if not part.may_grow or (part.events and part.events[-1][1]["type"] == "done"):
            return -1
        self._stored = after
        self._log.follow(self._id, after)
        return after

    async def _send_burst(self, numbered: list[tuple[int, bytes]]) -> int:
        """Send at most `BURST` bytes of events, then pause; return the number of the last one."""
        budget, last = BURST, 0
        for seq, data in numbered:
            budget -= len(data)
            if budget < 0 and last:
                break
            self._subscriber.send(data, as_chunk(data))
            last = seq
        await asyncio.sleep(PACE_S)
        while self._subscriber.waiting() > MAX_WAITING and not self._subscriber.is_dropped:
            await asyncio.sleep(PACE_S)
        return last

    def _reset(self) -> int:
        """Tell the subscriber, which is ahead of the log, to discard its text; return 0."""
        data = event_bytes(0, event_json(encoding.RESET))
        self._subscriber.send(data, as_chunk(data))
        return 0
