"""Sends the events of a generation from any number on: first from the log, then live.

Django-free: the caller passes functions that read the log.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from chats.sse import encoding
from chats.sse.encoding import BURST, as_chunk, event_bytes, event_json
from chats.sse.subscribers import Subscriber

PACE_S = 0.040  # between bursts of a replay
ROOM = 32 * 1024  # a replay waits for a reader that has more than this to read
PATIENCE = 3  # looks at a log that does not yet hold what the reader saw in another process


Event = dict[str, Any]
# Given a generation and an event number: whether the log holds that event, whether the log may
# still grow, and the events after it.
ReadLog = Callable[[uuid.UUID, int], Awaitable[tuple[bool, bool, list[tuple[int, Event]]]]]


class LiveEvents(Protocol):
    """The buffer of a generation that runs in this process."""

    seq: int
    done: bool
    subscribers: set[Any]

    def has(self, after: int) -> bool: ...

    def events_after(self, after: int) -> list[tuple[int, bytes]]: ...


class Replay:
    """Sends the events of one generation to one subscriber."""

    def __init__(
        self,
        buffers: Mapping[uuid.UUID, LiveEvents],
        generation_id: uuid.UUID,
        subscriber: Subscriber,
        *,
        read_log: ReadLog,
        log_grown: Callable[[uuid.UUID], Awaitable[None]],
    ) -> None:
        """`buffers`: the generations of this process. `log_grown` returns when the log may have
        grown."""
        self._buffers = buffers
        self._id = generation_id
        self._subscriber = subscriber
        self._read_log, self._log_grown = read_log, log_grown
        self._patience = PATIENCE

    async def follow(self, after: int) -> None:
        """Send the events after `after`, up to `done` or until the subscriber is dropped."""
        while not self._subscriber.dropped:
            buffer = self._buffers.get(self._id)
            if buffer is not None and after > buffer.seq:
                after = self._reset()
            elif buffer is not None and buffer.has(after):
                behind = buffer.events_after(after)
                if sum(len(data) for _, data in behind) > BURST:
                    after = await self._send_burst(behind)
                    continue
                for _, data in behind:
                    self._subscriber.take(data, as_chunk(data))
                after = await self._follow_buffer(buffer)
                if after < 0:
                    return
            else:
                after = await self._replay_log(after)
                if after < 0:
                    return

    async def _follow_buffer(self, buffer: LiveEvents) -> int:
        """Receive events from the buffer until it ends: the last number, or -1 after `done`."""
        self._subscriber.over.clear()
        buffer.subscribers.add(self._subscriber)
        try:
            await self._subscriber.over.wait()
        finally:
            buffer.subscribers.discard(self._subscriber)
        return -1 if buffer.done or self._subscriber.dropped else buffer.seq

    async def _replay_log(self, after: int) -> int:
        """Send what the log holds, or wait for more: the last number sent, -1 after `done`."""
        known, may_grow, events = await self._read_log(self._id, after)
        if not known and not (may_grow and self._patience):
            return self._reset()
        if known and not events and not may_grow:
            return -1
        if not events:
            self._patience -= not known
            await self._log_grown(self._id)
            return after
        self._patience = PATIENCE
        numbered = [(seq, event_bytes(seq, event_json(event))) for seq, event in events]
        while numbered and not self._subscriber.dropped:
            after = await self._send_burst(numbered)
            numbered = [(seq, data) for seq, data in numbered if seq > after]
        return -1 if events[-1][1]["type"] == "done" else after

    async def _send_burst(self, numbered: list[tuple[int, bytes]]) -> int:
        """Send `BURST` bytes of events at most, then pause: the number of the last event sent."""
        room, last = BURST, 0
        for seq, data in numbered:
            room -= len(data)
            if room < 0 and last:
                break
            self._subscriber.take(data, as_chunk(data))
            last = seq
        await asyncio.sleep(PACE_S)
        while self._subscriber.waiting() > ROOM and not self._subscriber.dropped:
            await asyncio.sleep(PACE_S)
        return last

    def _reset(self) -> int:
        """Tell the subscriber to discard what it has: it is ahead of the log."""
        data = event_bytes(0, event_json(encoding.RESET))
        self._subscriber.take(data, as_chunk(data))
        return 0
