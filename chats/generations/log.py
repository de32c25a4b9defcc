"""The log of a generation's events as rows: written in batches, read for replay."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from chats.generations.buffer import Buffer
from chats.generations.notifications import Notifications
from chats.generations.reaper import identity
from chats.generations.threads import in_log
from chats.models import Generation, GenerationEvent, Status
from chats.models.generations import Ending, Event, settle

log = logging.getLogger(__name__)

STORE_S = 0.170  # with the writing itself under 200 ms
RETRY_S = 1.0
HEARTBEAT_S = 4.0  # not with every batch: each row would be written anew


def read(generation_id: uuid.UUID, after: int) -> tuple[bool, bool, list[tuple[int, Event]]]:
    """Whether the log holds event `after`, whether it may still grow, and the events after it."""
    generation = Generation.objects.get(pk=generation_id)
    known = generation.holds(after)
    running = generation.status == Status.RUNNING
    return known, running, generation.stored(after) if known else []


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to be stored, as JSON, from number `first` on; with `ending` they are the last."""

    generation_id: uuid.UUID
    first: int
    events: list[str]
    ending: Ending | None = None


def store(batches: Collection[Batch], *, beat: bool) -> dict[uuid.UUID, bool]:
    """Write them in one transaction; with `beat` say that this process lives.

    Returns this process's running answers, each with whether its stop was requested. Of others
    (reaped meanwhile, or deleted) nothing is written.
    """
    with transaction.atomic():
        mine = Generation.objects.running().filter(process=identity())
        locked = mine.order_by("pk").select_for_update()  # against a reaper
        rows = {
            pk: asked is not None for pk, asked in locked.values_list("pk", "stop_requested_at")
        }
        if beat:
            mine.update(heartbeat_at=timezone.now())
        GenerationEvent.objects.write(
            (batch.generation_id, batch.first, batch.events)
            for batch in batches
            if batch.generation_id in rows and batch.events
        )
        endings = {
            batch.generation_id: batch.ending
            for batch in batches
            if batch.ending is not None and batch.generation_id in rows
        }
        # In the order of quotas, so that two processes do not wait for each other.
        ended = Generation.objects.filter(pk__in=endings).order_by("organization", "user")
        for generation in ended:
            settle(generation, endings[generation.pk])
    return rows


class LogWriter:
    """Of the `runs`, those that are taken out of the dict are let go. `stop` ends one.

    Bound: none of its own; a run whose log is far behind makes its model wait.
    """

    def __init__(
        self,
        buffers: dict[uuid.UUID, Buffer],
        notifications: Notifications,
        stop: Callable[[uuid.UUID], None],
    ) -> None:
        self._buffers, self._notifications, self._stop = buffers, notifications, stop
        self._endings: dict[uuid.UUID, tuple[Ending, asyncio.Future[bool]]] = {}
        self._beaten_at = 0.0
        self._changed = asyncio.Event()
        self._now = asyncio.Event()

    def changed(self) -> None:
        """A run has said something."""
        self._changed.set()

    async def finish(self, buffer: Buffer, ending: Ending) -> bool:
        """Store the end, with all before it, at once; False where the answer was not ours any more.

        Only afterwards may `done` be said: who reads it finds it in the rows.
        """
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._endings[buffer.generation_id] = ending, told
        self._changed.set()
        self._now.set()
        return await told

    async def keep(self) -> None:
        """For ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._changed.wait()
                async with asyncio.timeout(STORE_S):
                    await self._now.wait()
            self._changed.clear()
            self._now.clear()
            if not self._buffers:
                continue
            try:
                await self._store()
            except Exception:
                log.exception("answers could not be stored; trying again")
                self._changed.set()
                await asyncio.sleep(RETRY_S)

    async def _store(self) -> None:
        buffers = tuple(self._buffers.values())
        batches = []
        for buffer in buffers:
            first, lines = buffer.unstored_events()
            ending = self._endings.get(buffer.generation_id)
            if lines or ending:
                last = ending[0].lines() if ending else []
                batches.append(
                    Batch(buffer.generation_id, first, lines + last, ending and ending[0])
                )
        beat = time.monotonic() - self._beaten_at > HEARTBEAT_S
        alive = await in_log(store, batches, beat=beat)
        if beat:
            self._beaten_at = time.monotonic()
        for batch in batches:
            self._stored(batch, alive)
        for buffer in buffers:
            if alive.get(buffer.generation_id, True):  # its stop was requested, or it is not ours
                self._stop(buffer.generation_id)
        await self._notifications.tell({batch.generation_id for batch in batches})

    def _stored(self, batch: Batch, alive: dict[uuid.UUID, bool]) -> None:
        buffer, known = self._buffers[batch.generation_id], batch.generation_id in alive
        if known:
            buffer.mark_stored(batch.events[: len(buffer.unstored)])
        else:  # reaped, or deleted with its chat: the log has the last word
            del self._buffers[batch.generation_id]
        if batch.ending is not None or not known:
            _, told = self._endings.pop(batch.generation_id, (None, None))
            if told is not None and not told.done():
                told.set_result(known)
