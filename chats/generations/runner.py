"""Runs all generations of this process: each in a task, flushed and stored together.

Owns one task per generation, one that writes the log, one that reaps and one that listens to other
processes. Bounds: `settings.ANSWERS_AT_ONCE` generations; for the size of each see `Buffer`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from django.conf import settings

from chats.generations.buffer import TEXT_MOST, Buffer, FlushTimer
from chats.generations.log import LogWriter
from chats.generations.notifications import Notifications
from chats.generations.reaper import reap
from chats.generations.threads import in_rows
from chats.models import Status
from chats.models.generations import INTERRUPTED, Ending
from chats.prompts import Asked
from chats.providers.base import Conversation, Finish, Provider, ProviderError
from chats.sse import encoding
from chats.sse.subscribers import Subscriber
from project.tasks import report, start

log = logging.getLogger(__name__)

REAP_S = 15.0
CLOSE_S = 1.5
FAULT = "Something went wrong in Sideline while the answer was made; it has been logged."

# Which provider to ask, and what. Reads the database; raises `ProviderError`.
Prepare = Callable[[Asked], Awaitable[tuple[Provider, Conversation]]]


class Overloaded(Exception):
    """More answers are being made than this process takes."""


class Runner:
    """`take` prompts here, follow their answers in `buffers`; `close` before the process ends."""

    def __init__(self) -> None:
        self.buffers: dict[uuid.UUID, Buffer] = {}
        self.subscribers: set[Subscriber] = set()
        self.notifications = Notifications(self.stop)
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._listening: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._taking: set[asyncio.Task[Asked]] = set()
        self._places: Counter[uuid.UUID] = Counter()  # by person
        self._chores: list[asyncio.Task[None]] = []
        self._log = LogWriter(self.buffers, self.notifications, self.stop)
        self._timer = FlushTimer(self.buffers, self._log.changed, self.stop)
        self.closing = False

    def open(self) -> None:
        """Begin the chores."""
        for chore in (self._log.keep, self._reaping, self._pinging, self.notifications.listen):
            self._chores.append(start(chore(), f"chats {chore.__name__}"))

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
        answering = Answer(asked, prepare)
        buffer = answering.buffer
        self.buffers[buffer.generation_id] = buffer
        listening = asyncio.create_task(answering.listen(self._timer.schedule))
        self._listening[buffer.generation_id] = listening
        making = asyncio.create_task(
            self._make(answering, listening), name=f"answer {buffer.message_id}"
        )
        self._tasks[buffer.generation_id] = making
        making.add_done_callback(report)
        self._log.changed()
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

    async def _make(self, answering: Answer, listening: asyncio.Task[None]) -> None:
        buffer = answering.buffer
        try:
            await asyncio.wait({listening})
            if listening.cancelled():
                buffer.discard_text()
            ending = answering.ending(cancelled=listening.cancelled(), closing=self.closing)
            if buffer.generation_id in self.buffers and await self._log.finish(buffer, ending):
                for event in ending.events():
                    buffer.append(event)
        finally:
            listening.cancel()
            del self._listening[buffer.generation_id], self._tasks[buffer.generation_id]
            self.buffers.pop(buffer.generation_id, None)
            buffer.end()

    async def _reaping(self) -> None:
        while True:
            try:
                await self.notifications.tell(set(await in_rows(reap)))
            except Exception:
                log.exception("orphaned answers could not be looked for")
            await asyncio.sleep(REAP_S)

    async def _pinging(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for reader in tuple(self.subscribers):
                try:
                    reader.look_after(now)
                except Exception:
                    log.exception("a reader could not be looked after")


class Answer:
    """Listens to the provider until its end, a fault or a cancellation; then knows the ending."""

    def __init__(self, asked: Asked, prepare: Prepare) -> None:
        self.buffer = Buffer(asked.generation_id, asked.message_id)
        self.buffer.append(encoding.start(asked.message_id, asked.user_message_id, asked.model))
        self._asked, self._prepare = asked, prepare
        self._began = time.monotonic()
        self._first: float | None = None
        self._finish: Finish | None = None
        self._fault: ProviderError | None = None

    async def listen(self, heard: Callable[[Buffer], None]) -> None:
        """Until the whole answer was shown; a fault is kept for `ending`."""
        try:
            provider, conversation = await self._prepare(self._asked)
            if conversation.unfinished:
                self.buffer.add_text(conversation.unfinished)
                heard(self.buffer)
            async with aclosing(provider.answer(conversation)) as answer:
                await self._receive(answer, heard)
        except ProviderError as fault:
            log.info("answer %s failed: %s", self.buffer.message_id, fault.sentence)
            self._fault = fault
        except Exception:
            log.exception("answer %s failed", self.buffer.message_id)
            self._fault = ProviderError(FAULT)
        await self.buffer.drained.wait()

    async def _receive(
        self, answer: AsyncIterator[str | Finish], heard: Callable[[Buffer], None]
    ) -> None:
        buffer = self.buffer
        async for piece in answer:
            if isinstance(piece, Finish):
                self._finish = piece
                return
            if self._first is None:
                self._first = time.monotonic()
            buffer.add_text(piece)
            heard(buffer)
            if buffer.size >= TEXT_MOST:
                self._finish = Finish("length")
                return
            if not buffer.has_room.is_set():
                await buffer.has_room.wait()

    def ending(self, *, cancelled: bool, closing: bool) -> Ending:
        """How it ended. Cancelled means stopped, or interrupted where the process is closing."""
        status, code, sentence, retryable = Status.COMPLETE, "", "", False
        if cancelled and closing:
            status, code, sentence, retryable = (
                Status.INTERRUPTED, "interrupted", INTERRUPTED, True
            )  # fmt: skip
        elif cancelled:
            status = Status.STOPPED
        elif self._fault is not None:
            status, code = Status.FAILED, self._fault.code
            sentence, retryable = self._fault.sentence, self._fault.retryable
        usage = self._finish.usage if self._finish else None
        return Ending(
            status, "".join(self.buffer.shown), code, sentence, retryable,
            tokens_in=usage.tokens_in if usage else None,
            tokens_out=usage.tokens_out if usage else None,
            first_token_ms=self._since(self._first),
            duration_ms=self._since(time.monotonic()),
            cut_off=self._finish is not None and self._finish.reason == "length",
        )  # fmt: skip

    def _since(self, moment: float | None) -> int | None:
        return None if moment is None else round((moment - self._began) * 1000)
