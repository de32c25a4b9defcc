"""All answers that this process makes: told on a shared tick, stored in shared batches.

Owns a task for each answer, one that stores, one that looks for orphans and one that hears other
processes. Bounds: `settings.ANSWERS_AT_ONCE` answers; what each holds is `Run`'s matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial

from django.conf import settings

from cameras.ingest.ending import report
from chats.asking import Asked
from chats.endings import Ending, Stretch, reap, store
from chats.generation import Answering
from chats.news import News
from chats.providers.base import Conversation, Provider
from chats.readers import Reader
from chats.rows import in_rows
from chats.runs import Run

log = logging.getLogger(__name__)

TICK_S = 0.040
SLOWEST_S = 0.120
BUSY = 30  # a tick's work may be one part in so many of the time
STORE_S = 0.170  # with the writing itself under 200 ms
RETRY_S = 1.0
HEARTBEAT_S = 10.0
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
        self._chores: list[asyncio.Task[None]] = []
        self._endings: dict[uuid.UUID, tuple[Ending, asyncio.Future[bool]]] = {}
        self._ticking: asyncio.TimerHandle | None = None
        self._ticked = 0.0
        self._work_s = 0.0
        self._store_now = asyncio.Event()
        self._changed = asyncio.Event()
        self.closing = False

    def open(self) -> None:
        """Begin the chores."""
        for chore in (self._storing, self._reaping, self._pinging, self.news.listen):
            task = asyncio.create_task(chore(), name=f"chats {chore.__name__}")
            task.add_done_callback(report)
            self._chores.append(task)

    async def take(self, ask: Callable[[], Asked], prepare: Prepare) -> Asked:
        """Let `ask` write its rows, and begin the answer where it is new; whatever becomes of the
        request meanwhile. `prepare` is told what was asked.

        Raises `Overloaded`, and what `ask` raises.
        """
        if self.closing or len(self.runs) >= settings.ANSWERS_AT_ONCE:
            raise Overloaded
        # A context of its own: in that of a request the database ends with the request.
        task = asyncio.get_running_loop().create_task(
            self._take(ask, prepare), name="prompt", context=contextvars.Context()
        )
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        return await asyncio.shield(task)

    async def _take(self, ask: Callable[[], Asked], prepare: Prepare) -> Asked:
        asked = await in_rows(ask)
        if asked.is_new:
            answering = Answering(asked, partial(prepare, asked))
            run = answering.run
            self.runs[run.generation_id] = run
            task = asyncio.create_task(self._make(answering), name=f"answer {run.message_id}")
            self._tasks[run.generation_id] = task
            task.add_done_callback(report)
            self._changed.set()
        return asked

    def heard(self, run: Run) -> None:
        """The run has heard something: the first is told at once, the rest on the tick."""
        if not run.shown:
            run.show()
            self._changed.set()
        if self._ticking is None and run.waits:
            pause = min(max(TICK_S, BUSY * self._work_s), SLOWEST_S)
            due = max(self._ticked + pause, time.monotonic())
            wait = due - time.monotonic()
            self._ticking = asyncio.get_running_loop().call_later(wait, self._tick, due)

    def stop(self, generation_id: uuid.UUID) -> None:
        """End an answer of this process where it is; of others nothing is known here."""
        listening = self._listening.get(generation_id)
        if listening is not None:
            listening.cancel()

    async def close(self) -> None:
        """End all answers as interrupted, with their text stored."""
        self.closing = True
        for listening in tuple(self._listening.values()):
            listening.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks.values()), timeout=CLOSE_S)
        for task in (*self._tasks.values(), *self._chores):
            task.cancel()

    async def _make(self, answering: Answering) -> None:
        run = answering.run
        listening = asyncio.create_task(answering.listen(self.heard))
        self._listening[run.generation_id] = listening
        try:
            await asyncio.wait({listening})
            if listening.cancelled():
                run.forget()
            ending = answering.ending(cancelled=listening.cancelled(), closing=self.closing)
            if run.generation_id in self.runs:
                await self._finish(run, ending)
        finally:
            listening.cancel()
            del self._listening[run.generation_id], self._tasks[run.generation_id]
            self.runs.pop(run.generation_id, None)
            run.end()

    async def _finish(self, run: Run, ending: Ending) -> None:
        """Store the end, then say it: who reads `done` finds it in the rows."""
        told = asyncio.get_running_loop().create_future()
        self._endings[run.generation_id] = ending, told
        self._changed.set()
        self._store_now.set()
        if await told:
            for event in ending.events():
                run.say(event)

    def _tick(self, due: float) -> None:
        """Show what was heard since. Its work, and how late it came, set the pace of the next."""
        self._ticking = None
        rest = None
        for run in tuple(self.runs.values()):
            if run.waits:
                run.show()
                if run.waits:
                    rest = run
        self._ticked = time.monotonic()
        self._work_s = (self._work_s + self._ticked - due) / 2
        self._changed.set()
        if rest is not None:
            self.heard(rest)

    async def _storing(self) -> None:
        """For ever: write what was said since, at most every `STORE_S`; ends at once."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._changed.wait()
                async with asyncio.timeout(STORE_S):
                    await self._store_now.wait()
            self._changed.clear()
            self._store_now.clear()
            if not self.runs:
                continue
            try:
                await self._store()
            except Exception:
                log.exception("answers could not be stored; trying again")
                self._changed.set()
                await asyncio.sleep(RETRY_S)

    async def _store(self) -> None:
        runs = tuple(self.runs.values())
        batch = []
        for run in runs:
            first, events = run.stretch()
            ending = self._endings.get(run.generation_id)
            if events or ending:
                last = ending[0].lines() if ending else []
                batch.append(Stretch(run.generation_id, first, events + last, ending and ending[0]))
        alive = await in_rows(store, batch)
        for stretch in batch:
            self._stored(stretch, alive)
        for run in runs:
            if alive.get(run.generation_id, True):  # its stop was requested, or it is not ours
                self.stop(run.generation_id)
        await self.news.tell({stretch.generation_id for stretch in batch})

    def _stored(self, stretch: Stretch, alive: dict[uuid.UUID, bool]) -> None:
        run, known = self.runs[stretch.generation_id], stretch.generation_id in alive
        if known:
            run.keep(stretch.events[: len(run.unstored)])
        else:  # reaped, or deleted with its chat: the log has the last word
            del self.runs[stretch.generation_id]
        if stretch.ending is not None or not known:
            _, told = self._endings.pop(stretch.generation_id, (None, None))
            if told is not None and not told.done():
                told.set_result(known)

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
                if reader.is_stuck(now):
                    reader.drop()
                elif reader.is_silent(now):
                    reader.ping()
