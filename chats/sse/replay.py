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
MAX_WAITING = 32 * 1024  # bytes; a replay pauses while the subscriber has more than this to read
MAX_READS = 3  # of a log that does not hold the subscriber's event yet: another process sent it

Event = dict[str, Any]
# Given a generation and an event number: whether the log holds that event, whether the log may
# still grow, and the events after it.
ReadLog = Callable[[uuid.UUID, int], Awaitable[tuple[bool, bool, list[tuple[int, Event]]]]]


class LiveEvents(Protocol):
    """The buffer of a generation that runs in this process."""

    seq: int
    is_done: bool
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
        wait_for_growth: Callable[[uuid.UUID], Awaitable[None]],
    ) -> None:
        """`buffers`: the generations of this process. `wait_for_growth` returns when the log may
        have grown."""
        self._buffers = buffers
        self._id = generation_id
        self._subscriber = subscriber
        self._read_log, self._wait_for_growth = read_log, wait_for_growth
        self._reads_left = MAX_READS

    async def follow(self, after: int) -> None:
        """Send the events after `after`, up to `done` or until the subscriber is dropped."""
        while not self._subscriber.is_dropped:
            buffer = self._buffers.get(self._id)
            if buffer is not None and after > buffer.seq:
                after = self._reset()
            elif buffer is not None and buffer.has(after):
                missed = buffer.events_after(after)
                if sum(len(data) for _, data in missed) > BURST:
                    after = await self._send_burst(missed)
                    continue
                for _, data in missed:
                    self._subscriber.send(data, as_chunk(data))
                after = await self._follow_buffer(buffer)
                if after < 0:
                    return
            else:
                after = await self._replay_log(after)
                if after < 0:
                    return

    async def _follow_buffer(self, buffer: LiveEvents) -> int:
        """Follow the buffer until it ends; return the last number, or -1 after `done`."""
        self._subscriber.ended.clear()
        buffer.subscribers.add(self._subscriber)
        try:
            await self._subscriber.ended.wait()
        finally:
            buffer.subscribers.discard(self._subscriber)
        return -1 if buffer.is_done or self._subscriber.is_dropped else buffer.seq

    async def _replay_log(self, after: int) -> int:
        """Send what the log holds, or wait for more; return the last number, or -1 after `done`."""
        is_known, may_grow, events = await self._read_log(self._id, after)
        if not is_known and not (may_grow and self._reads_left):
            return self._reset()
        if is_known and not events and not may_grow:
            return -1
        if not events:
            self._reads_left -= not is_known
            await self._wait_for_growth(self._id)
            return after
        self._reads_left = MAX_READS
        numbered = [(seq, event_bytes(seq, event_json(event))) for seq, event in events]
        while numbered and not self._subscriber.is_dropped:
            after = await self._send_burst(numbered)
            numbered = [(seq, data) for seq, data in numbered if seq > after]
        return -1 if events[-1][1]["type"] == "done" else after

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
