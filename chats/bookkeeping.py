"""Stores what all answers of this process have said: one batch for all, five times a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable

from chats.models.endings import Ending
from chats.news import News
from chats.rows import in_log
from chats.runs import Run
from chats.storing import Stretch, store

log = logging.getLogger(__name__)

STORE_S = 0.170  # with the writing itself under 200 ms
RETRY_S = 1.0
HEARTBEAT_S = 4.0  # not with every batch: each row would be written anew


class Bookkeeper:
    """Of the `runs`, those that are taken out of the dict are let go. `stop` ends one.

    Bound: none of its own; a run whose log is far behind makes its model wait.
    """

    def __init__(
        self, runs: dict[uuid.UUID, Run], news: News, stop: Callable[[uuid.UUID], None]
    ) -> None:
        self._runs, self._news, self._stop = runs, news, stop
        self._endings: dict[uuid.UUID, tuple[Ending, asyncio.Future[bool]]] = {}
        self._beaten_at = 0.0
        self._changed = asyncio.Event()
        self._now = asyncio.Event()

    def changed(self) -> None:
        """A run has said something."""
        self._changed.set()

    async def finish(self, run: Run, ending: Ending) -> bool:
        """Store the end, with all before it, at once; False where the answer was not ours any more.

        Only afterwards may `done` be said: who reads it finds it in the rows.
        """
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._endings[run.generation_id] = ending, told
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
            if not self._runs:
                continue
            try:
                await self._store()
            except Exception:
                log.exception("answers could not be stored; trying again")
                self._changed.set()
                await asyncio.sleep(RETRY_S)

    async def _store(self) -> None:
        runs = tuple(self._runs.values())
        batch = []
        for run in runs:
            first, lines = run.stretch()
            ending = self._endings.get(run.generation_id)
            if lines or ending:
                last = ending[0].lines() if ending else []
                batch.append(Stretch(run.generation_id, first, lines + last, ending and ending[0]))
        beat = time.monotonic() - self._beaten_at > HEARTBEAT_S
        alive = await in_log(store, batch, beat=beat)
        if beat:
            self._beaten_at = time.monotonic()
        for stretch in batch:
            self._stored(stretch, alive)
        for run in runs:
            if alive.get(run.generation_id, True):  # its stop was requested, or it is not ours
                self._stop(run.generation_id)
        await self._news.tell({stretch.generation_id for stretch in batch})

    def _stored(self, stretch: Stretch, alive: dict[uuid.UUID, bool]) -> None:
        run, known = self._runs[stretch.generation_id], stretch.generation_id in alive
        if known:
            run.keep(stretch.events[: len(run.unstored)])
        else:  # reaped, or deleted with its chat: the log has the last word
            del self._runs[stretch.generation_id]
        if stretch.ending is not None or not known:
            _, told = self._endings.pop(stretch.generation_id, (None, None))
            if told is not None and not told.done():
                told.set_result(known)
