"""An answer told from any event on: the log first, then along with the run."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator

from cameras.live.process import connection_monitor
from chats import streams
from chats.desk import Desk
from chats.models import Generation, Status
from chats.models.generations import Event
from chats.readers import QueueReader, Reader, WireReader
from chats.rows import in_rows, let_thread_go
from chats.runs import Run
from chats.streams import BURST, PING, as_chunk, event_bytes, event_json
from project.accounts.access import ConnectionGrant

log = logging.getLogger(__name__)

PACE_S = 0.040  # between bursts of a replay
ROOM = 32 * 1024  # a replay waits for a reader that has more than this to read
PATIENCE = 3  # looks at a log that does not yet hold what the reader saw in another process


async def narrate(
    desk: Desk,
    generation_id: uuid.UUID,
    after: int,
    extensions: dict[str, object],
    grant: ConnectionGrant,
) -> AsyncIterator[bytes]:
    """The body of the response: pings from the first moment, then events up to `done`.

    Never raises but for the end of the connection. Ends without `done` where the reader was too
    far behind, the log cannot be read, or `grant` has fallen: who reads it comes again.
    """
    yield PING
    let_thread_go()
    wire = extensions.get("sideline.response")
    reader: Reader = (
        WireReader(wire) if wire is not None else QueueReader(extensions.get("sideline.waiting"))
    )
    desk.readers.add(reader)
    connection_monitor().watch(reader, grant, lambda code: reader.drop())
    telling = asyncio.ensure_future(_tell(desk, generation_id, after, reader))
    try:
        if isinstance(reader, QueueReader):
            telling.add_done_callback(lambda _: reader.finish())
            while data := await reader.next():
                yield data
                await asyncio.sleep(0)  # a server that never waits must get to write
        else:
            await asyncio.wait({telling})
            await reader.read()
    finally:
        connection_monitor().forget(reader)
        desk.readers.discard(reader)
        telling.cancel()


async def _tell(desk: Desk, generation_id: uuid.UUID, after: int, reader: Reader) -> None:
    try:
        await Follower(desk, generation_id, reader).follow(after)
    except Generation.DoesNotExist:
        pass  # deleted with its chat
    except Exception:
        log.exception("answer %s could not be told", generation_id)


class Follower:
    """Tells one reader one answer."""

    def __init__(self, desk: Desk, generation_id: uuid.UUID, reader: Reader) -> None:
        self._desk = desk
        self._id = generation_id
        self._reader = reader
        self._patience = PATIENCE

    async def follow(self, after: int) -> None:
        """From behind event `after` to `done`, or until the reader is dropped."""
        while not self._reader.dropped:
            run = self._desk.runs.get(self._id)
            if run is not None and after > run.seq:
                after = self._start_over()
            elif run is not None and run.has(after):
                behind = run.behind(after)
                if sum(len(data) for _, data in behind) > BURST:
                    after = await self._burst(behind)
                    continue
                for _, data in behind:
                    self._reader.take(data, as_chunk(data))
                after = await self._along(run)
                if after < 0:
                    return
            else:
                after = await self._from_log(after)
                if after < 0:
                    return

    async def _along(self, run: Run) -> int:
        """With the run to its end; -1 when that was `done`."""
        self._reader.over.clear()
        run.readers.add(self._reader)
        try:
            await self._reader.over.wait()
        finally:
            run.readers.discard(self._reader)
        return -1 if run.done or self._reader.dropped else run.seq

    async def _from_log(self, after: int) -> int:
        """What is stored behind `after`; where that is nothing, wait for more. -1 after `done`."""
        known, may_grow, events = await in_rows(_stored, self._id, after)
        if not known and not (may_grow and self._patience):
            return self._start_over()
        if known and not events and not may_grow:
            return -1
        if not events:
            self._patience -= not known
            await self._desk.news.growth(self._id)
            return after
        self._patience = PATIENCE
        numbered = [(seq, event_bytes(seq, event_json(event))) for seq, event in events]
        while numbered and not self._reader.dropped:
            after = await self._burst(numbered)
            numbered = [(seq, data) for seq, data in numbered if seq > after]
        return -1 if events[-1][1]["type"] == "done" else after

    async def _burst(self, numbered: list[tuple[int, bytes]]) -> int:
        """So much of it as may go at once, then a pause; the number of the last that went."""
        room, last = BURST, 0
        for seq, data in numbered:
            room -= len(data)
            if room < 0 and last:
                break
            self._reader.take(data, as_chunk(data))
            last = seq
        await asyncio.sleep(PACE_S)
        while self._reader.waiting() > ROOM and not self._reader.dropped:
            await asyncio.sleep(PACE_S)
        return last

    def _start_over(self) -> int:
        """The reader knows more than there is: it is to forget it."""
        data = event_bytes(0, event_json(streams.RESET))
        self._reader.take(data, as_chunk(data))
        return 0


def _stored(generation_id: uuid.UUID, after: int) -> tuple[bool, bool, list[tuple[int, Event]]]:
    """Whether the log knows of `after`, whether it may still grow, and what is behind it."""
    generation = Generation.objects.get(pk=generation_id)
    known = generation.holds(after)
    running = generation.status == Status.RUNNING
    return known, running, generation.stored(after) if known else []
