"""All answers that this process makes: told on a shared tick, stored in shared batches.

Owns a task for each answer, one that stores, one that looks for orphans and one that hears other
processes. Bounds: `settings.ANSWERS_AT_ONCE` answers; what each holds is `Run`'s matter.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from django.conf import settings

from chats.asking import Asked
from chats.bookkeeping import Bookkeeper
from chats.generation import Answering
from chats.news import News
from chats.providers.base import Conversation, Provider
from chats.readers import Reader
from chats.rows import in_rows
from chats.runs import Run
from chats.storing import reap
from chats.tick import Tick
from project.tasks import report

log = logging.getLogger(__name__)

REAP_S = 15.0
CLOSE_S = 1.5

Prepare = Callable[[Asked], Awaitable[tuple[Provider, Conversation]]]


class Overloaded(Exception):
    """More answers are being made than this process takes."""


class Desk:
    """`take` prompts here, follow their answers by `runs`; `close` before the process ends."""

    def __init__(self) -> None:
        self.runs: dict[uuid.UUID, Run] = {}
        self.readers: set[Reader] = set()
        self.news = News(self.stop)
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._listening: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._taking: set[asyncio.Task[Asked]] = set()
        self._places: Counter[uuid.UUID] = Counter()  # by person
        self._chores: list[asyncio.Task[None]] = []
        self._books = Bookkeeper(self.runs, self.news, self.stop)
        self._tick = Tick(self.runs, self._books.changed, self.stop)
        self.closing = False

    def open(self) -> None:
        """Begin the chores."""
        for chore in (self._books.keep, self._reaping, self._pinging, self.news.listen):
            task = asyncio.create_task(chore(), name=f"chats {chore.__name__}")
            task.add_done_callback(report)
            self._chores.append(task)

    async def take(self, ask: Callable[[], Asked], prepare: Prepare, who: uuid.UUID) -> Asked:
        """Let `ask` write its rows, and begin the answer where it is new; whatever becomes of the
        request meanwhile. `prepare` is told what was asked, `who` may have half of all places.

        Raises `Overloaded`, and what `ask` raises.
        """
        most = settings.ANSWERS_AT_ONCE
        if self.closing or self._places.total() >= most or 2 * self._places[who] > most:
            raise Overloaded
        # A context of its own: in that of a request the database ends with the request.
        task = asyncio.get_running_loop().create_task(
            self._take(ask, prepare, who), name="prompt", context=contextvars.Context()
        )
        self._places[who] += 1
        self._taking.add(task)
        task.add_done_callback(self._taken)
        return await asyncio.shield(task)

    async def _take(self, ask: Callable[[], Asked], prepare: Prepare, who: uuid.UUID) -> Asked:
        making = None
        try:
            asked = await in_rows(ask)
            making = self._begin(asked, prepare) if asked.is_new else None
        finally:
            if making is None:
                self._leave(who)
            else:
                making.add_done_callback(lambda _: self._leave(who))
        return asked

    def _begin(self, asked: Asked, prepare: Prepare) -> asyncio.Task[None]:
        answering = Answering(asked, partial(prepare, asked))
        run = answering.run
        self.runs[run.generation_id] = run
        listening = asyncio.create_task(answering.listen(self._tick.heard))
        self._listening[run.generation_id] = listening
        making = asyncio.create_task(
            self._make(answering, listening), name=f"answer {run.message_id}"
        )
        self._tasks[run.generation_id] = making
        making.add_done_callback(report)
        self._books.changed()
        return making

    def _leave(self, who: uuid.UUID) -> None:
        self._places[who] -= 1
        if not self._places[who]:
            del self._places[who]

    def _taken(self, task: asyncio.Task[Asked]) -> None:
        self._taking.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked was told, unless they have gone

    def stop(self, generation_id: uuid.UUID) -> None:
        """End an answer of this process where it is; of others nothing is known here."""
        listening = self._listening.get(generation_id)
        if listening is not None:
            listening.cancel()

    async def close(self) -> None:
        """End all answers as interrupted, with their text stored."""
        self.closing = True
        if self._taking:
            await asyncio.wait(tuple(self._taking), timeout=CLOSE_S / 2)
        for listening in tuple(self._listening.values()):
            listening.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks.values()), timeout=CLOSE_S)
        for task in (*self._tasks.values(), *self._chores):
            task.cancel()

    async def _make(self, answering: Answering, listening: asyncio.Task[None]) -> None:
        run = answering.run
        try:
            await asyncio.wait({listening})
            if listening.cancelled():
                run.forget()
            ending = answering.ending(cancelled=listening.cancelled(), closing=self.closing)
            if run.generation_id in self.runs and await self._books.finish(run, ending):
                for event in ending.events():
                    run.say(event)
        finally:
            listening.cancel()
            del self._listening[run.generation_id], self._tasks[run.generation_id]
            self.runs.pop(run.generation_id, None)
            run.end()

    async def _reaping(self) -> None:
        while True:
            try:
                await self.news.tell(set(await in_rows(reap)))
            except Exception:
                log.exception("orphaned answers could not be looked for")
            await asyncio.sleep(REAP_S)

    async def _pinging(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for reader in tuple(self.readers):
                try:
                    reader.look_after(now)
                except Exception:
                    log.exception("a reader could not be looked after")
