"""The log of a generation's events as rows, written in batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone

from chats.generations.buffer import Buffer
from chats.generations.notifications import Notifications
from chats.generations.threads import LOG_THREAD
from chats.models import Generation, GenerationEvent
from chats.models.generations import Ending, settle
from chats.process_identity import identity
from project.database.errors import unavailability
from project.database.threads import in_thread

log = logging.getLogger(__name__)

# Between two batches. What was sent and not stored is lost if the server is killed, so the pause is
# short as long as writing takes a small part of the time.
STORE_S, MAX_STORE_S = 0.060, 0.170
IDLE_FACTOR = 10  # the pause is at least this many times the last write
RETRY_S = 1.0
HEARTBEAT_S = 2.0  # at most twice this between two; not with every batch: it updates every row


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to store, as JSON, from number `first` on. With an `ending` they are the last ones."""

    generation_id: uuid.UUID
    first: int
    events: list[str]
    ending: Ending | None = None


def store(batches: Collection[Batch], *, heartbeat: bool) -> dict[uuid.UUID, bool]:
    """Write batches in one transaction; with `heartbeat` also refresh `heartbeat_at`.

    Return the running generations of this process: for each id, whether a stop was requested.
    Batches of any other generation (reaped or deleted meanwhile) are not written.
    """
    with transaction.atomic():
        own = Generation.objects.running().filter(process=identity())
        locked = own.order_by("pk").select_for_update()  # so that no reaper ends them meanwhile
        rows = {
            pk: requested is not None
            for pk, requested in locked.values_list("pk", "stop_requested_at")
        }
        if heartbeat:
            own.update(heartbeat_at=timezone.now())
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
        # `settle` locks quotas: the same order in every process prevents a deadlock.
        ended = Generation.objects.filter(pk__in=endings).order_by("organization", "user")
        for generation in ended:
            settle(generation, endings[generation.pk])
    return rows


class LogWriter:
    """Stores the events of all `buffers` in batches, and stops generations on request.

    Bound: none of its own; see `MAX_UNSTORED`, which pauses the model. A generation that this
    process no longer owns is removed from `buffers` and stopped by `stop`.
    """

    def __init__(
        self,
        buffers: dict[uuid.UUID, Buffer],
        notifications: Notifications,
        stop: Callable[[uuid.UUID], None],
    ) -> None:
        self._buffers, self._notifications, self._stop = buffers, notifications, stop
        self._endings: dict[uuid.UUID, tuple[Ending, asyncio.Future[bool]]] = {}
        self._heartbeat_at = 0.0
        self._write_s = 0.0  # of the last batch
        self._pending = asyncio.Event()  # there is something to store
        self._urgent = asyncio.Event()  # do not wait for the rest of the pause

    def schedule(self) -> None:
        """Store new events with the next batch."""
        self._pending.set()

    async def finish(self, buffer: Buffer, ending: Ending) -> bool:
        """Store the ending and all events before it now; False if the generation is not ours.

        Send `done` only afterwards: a client that receives it must find the final rows.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._endings[buffer.generation_id] = ending, stored
        self._pending.set()
        self._urgent.set()
        return await stored

    async def run(self) -> None:
        """Store batches until cancelled; retry after a failure."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._pending.wait()
                pause = min(max(STORE_S, IDLE_FACTOR * self._write_s), MAX_STORE_S)
                async with asyncio.timeout(pause):
                    await self._urgent.wait()
            self._pending.clear()
            self._urgent.clear()
            if not self._buffers:
                continue
            try:
                await self._store()
            except DatabaseError as error:
                if unavailability(error) is None:
                    raise
                log.error("answers could not be stored; retrying: %s", error)
                self._pending.set()
                await asyncio.sleep(RETRY_S)

    async def _store(self) -> None:
        buffers = tuple(self._buffers.values())
        batches = []
        for buffer in buffers:
            first, lines = buffer.unstored_events()
            ending = self._endings.get(buffer.generation_id)
            if lines or ending:
                last = ending[0].events_json() if ending else []
                batches.append(
                    Batch(buffer.generation_id, first, lines + last, ending and ending[0])
                )
        heartbeat = time.monotonic() - self._heartbeat_at > HEARTBEAT_S
        began = time.monotonic()
        running = await in_thread(LOG_THREAD, store, batches, heartbeat=heartbeat)
        self._write_s = time.monotonic() - began
        if heartbeat:
            self._heartbeat_at = time.monotonic()
        for batch in batches:
            self._mark_stored(batch, is_own=batch.generation_id in running)
        for buffer in buffers:
            if running.get(buffer.generation_id, True):  # stop requested, or not ours any more
                self._stop(buffer.generation_id)
        await self._notifications.announce_growth({batch.generation_id for batch in batches})

    def _mark_stored(self, batch: Batch, *, is_own: bool) -> None:
        buffer = self._buffers[batch.generation_id]
        if is_own:
            buffer.mark_stored(batch.events[: len(buffer.unstored)])
        else:  # reaped, or deleted with its chat: the rows are authoritative
            del self._buffers[batch.generation_id]
        if batch.ending is not None or not is_own:
            _, stored = self._endings.pop(batch.generation_id, (None, None))
            if stored is not None and not stored.done():
                stored.set_result(is_own)
