"""Reads the logs that other processes write, once for all followers in this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError

from chats.generations.threads import LOG_READER_THREAD, in_database_thread
from chats.models import Generation, GenerationEvent, Status
from chats.sse.encoding import BURST, event_json
from chats.sse.feed import Feed
from chats.sse.replay import LogPart
from project.database.threads import in_thread

log = logging.getLogger(__name__)

POLL_S = 0.1  # all followed logs are read this often
POLL_WITH_REDIS_S = 1.0  # the same; another process tells at once which logs have grown
LOGS_PER_QUERY = 100
RETRY_S, MAX_RETRY_S = 0.1, 1.0  # the pause after a failure of the database doubles
GIVE_UP_S = 30.0

R = TypeVar("R")


class LogUnavailable(Exception):
    """The database has failed for `GIVE_UP_S`; the text is its error."""


class FollowedLog(Feed):
    """A feed of a generation that runs in another process, filled with rows of its log."""

    def __init__(self, generation_id: uuid.UUID, seq: int) -> None:
        super().__init__(generation_id, seq)
        self.row = 0  # number of the first event in the last row


@dataclass(frozen=True, slots=True)
class Growth:
    """New events of a log, as JSON; `row` is the number of the first event in the last row."""

    row: int
    events: list[tuple[int, str]]
    is_done: bool


class LogReader:
    """Reads all followed logs with one query, in one task, and fills a feed for each.

    It reads what has grown when another process says so (with Redis), and everything every
    `POLL_S`. Bound: one feed for each followed generation, of `TAIL` events.
    """

    def __init__(self, buffers: Mapping[uuid.UUID, Feed]) -> None:
        """`buffers`: the generations that run in this process. They need no log."""
        self._buffers = buffers
        self._followed: dict[uuid.UUID, FollowedLog] = {}
        self._grown: set[uuid.UUID] = set()
        self._woken = asyncio.Event()
        self._poll_at = 0.0
        self._poll_s = POLL_WITH_REDIS_S if settings.REDIS_URL else POLL_S

    def feed(self, generation_id: uuid.UUID) -> Feed | None:
        """Return the buffer or the feed of a generation, if this process has one."""
        return self._buffers.get(generation_id) or self._followed.get(generation_id)

    def follow(self, generation_id: uuid.UUID, after: int) -> Feed:
        """Return the feed of a generation, or a new one that starts after the stored event `after`.

        It ends with its last subscriber: add one before anything else runs.
        """
        found = self.feed(generation_id)
        if found is None:
            found = self._followed[generation_id] = FollowedLog(generation_id, after)
        self.wake({generation_id})
        return found

    def wake(self, grown: Collection[uuid.UUID]) -> None:
        """Read these logs now, if they are followed."""
        followed = self._followed.keys() & grown
        if followed:
            self._grown |= followed
            self._woken.set()

    async def read(self, generation_id: uuid.UUID, after: int) -> LogPart:
        """Return the stored events after number `after`.

        Raises `Generation.DoesNotExist`, and `LogUnavailable`.
        """
        return await _patiently(lambda: in_database_thread(_read, generation_id, after))

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._wait()
            await self._read_followed()

    async def _wait(self) -> None:
        """Wait for growth, or for the next poll. Without followers, wait for the first one."""
        pause = max(0.0, self._poll_at - time.monotonic()) if self._followed else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._woken.wait()
        self._woken.clear()

    async def _read_followed(self) -> None:
        for feed in tuple(self._followed.values()):
            if feed.generation_id in self._buffers or not feed.subscribers:
                self._end(feed)  # its subscribers, if any, continue with the buffer
        is_poll = time.monotonic() >= self._poll_at
        ids = self._followed.keys() & (self._followed.keys() if is_poll else self._grown)
        self._grown.clear()
        feeds = [self._followed[pk] for pk in ids]
        try:
            for at in range(0, len(feeds), LOGS_PER_QUERY):
                await self._read_some(feeds[at : at + LOGS_PER_QUERY], is_poll=is_poll)
        except LogUnavailable as error:
            log.warning("%s followed answers were cut: %s", len(self._followed), error)
            for feed in tuple(self._followed.values()):
                self._end(feed, is_lost=True)
        if is_poll:
            self._poll_at = time.monotonic() + self._poll_s

    async def _read_some(self, feeds: list[FollowedLog], *, is_poll: bool) -> None:
        positions = {feed.generation_id: (feed.row, feed.seq) for feed in feeds}
        grown, running = await _patiently(
            lambda: in_thread(LOG_READER_THREAD, _read_growth, positions, is_poll)
        )
        for feed in feeds:
            growth = grown.get(feed.generation_id)
            if growth is not None:
                self._fill(feed, growth)
            elif feed.generation_id not in running:
                self._end(feed)  # deleted, or ended just now: each replay looks for itself

    def _fill(self, feed: FollowedLog, growth: Growth) -> None:
        """Send new events; more than `BURST` bytes each replay reads for itself, with pauses."""
        if sum(len(line) for _, line in growth.events) > BURST:
            return self._end(feed)
        for seq, line in growth.events:
            feed.publish(seq, line)
        feed.row, feed.is_done = growth.row, growth.is_done
        feed.trim(feed.seq)
        if feed.is_done:
            self._end(feed)

    def _end(self, feed: FollowedLog, *, is_lost: bool = False) -> None:
        self._followed.pop(feed.generation_id, None)
        feed.end(is_lost=is_lost)


async def _patiently(read: Callable[[], Awaitable[R]]) -> R:
    """Return what `read` reads from the database; retry while the database fails.

    Raises `LogUnavailable`.
    """
    began, pause = time.monotonic(), RETRY_S
    while True:
        try:
            return await read()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() - began > GIVE_UP_S:
                raise LogUnavailable(error) from error
            if pause == RETRY_S:
                log.warning("a log of events cannot be read, retrying: %s", error)
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_RETRY_S)


def _read(generation_id: uuid.UUID, after: int) -> LogPart:
    generation = Generation.objects.get(pk=generation_id)
    is_known = generation.has_event(after)
    is_running = generation.status == Status.RUNNING
    return LogPart(is_known, is_running, generation.events_after(after) if is_known else [])


def _read_growth(
    positions: Mapping[uuid.UUID, tuple[int, int]], check: bool
) -> tuple[dict[uuid.UUID, Growth], set[uuid.UUID]]:
    """Return what has grown behind these positions, see `GenerationEventQuerySet.grown`.

    And which of the generations still run; without `check`, all of them.
    """
    found: dict[uuid.UUID, Growth] = {}
    for pk, first, events in GenerationEvent.objects.grown(positions):
        known = found[pk].events if pk in found else []
        new = [
            (seq, event_json(event))
            for seq, event in enumerate(events, first)
            if seq > positions[pk][1]
        ]
        found[pk] = Growth(first, known + new, events[-1]["type"] == "done")
    silent = positions.keys() - found
    if check and silent:
        running = Generation.objects.running().filter(pk__in=silent)
        return found, set(running.values_list("pk", flat=True))
    return found, set(silent)
