"""Runs all generations of this process: each in a task, flushed and stored together.

Owns one task per generation, and one each that writes the log, reads the logs of other processes,
reaps, pings and receives notifications. Bounds: `settings.ANSWERS_AT_ONCE` generations; their size
see `Buffer`.
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
from django.db import Error as DatabaseError

from chats.generations.buffer import MAX_TEXT, Buffer, FlushTimer
from chats.generations.log import LogWriter
from chats.generations.log_reader import LogReader
from chats.generations.metrics import AnswerMetrics
from chats.generations.notifications import Notifications
from chats.generations.reaper import reap
from chats.generations.threads import in_database_thread
from chats.models import Status
from chats.models.generations import INTERRUPTED, Ending
from chats.prompts import PromptResult
from chats.providers.base import Conversation, Finish, Provider, ProviderError, TooLong
from chats.sse import encoding
from chats.sse.subscribers import Subscriber
from project.database.errors import unavailability
from project.tasks import URGENT_S, report, supervise, suppress_and_log

log = logging.getLogger(__name__)

REAP_S, REAP_RETRY_S = 1.0, 10.0
PING_CHECK_S = 1.0
CLOSE_S = 1.5
INTERNAL_ERROR = "Something went wrong in Sideline while the answer was made; it has been logged."

# Returns the provider to use and the conversation to send. Raises `ProviderError`.
Prepare = Callable[[PromptResult], Awaitable[tuple[Provider, Conversation]]]
Check = Callable[[], Awaitable[None]]  # raises if a prompt must not be stored


class Overloaded(Exception):
    """This process, or this user, runs as many generations as it may."""


class Runner:
    """Runs generations: `submit` prompts, follow `buffers`; `close` before the process ends."""

    def __init__(self) -> None:
        self.buffers: dict[uuid.UUID, Buffer] = {}
        self.subscribers: set[Subscriber] = set()
        self.log_reader = LogReader(self.buffers)
        self.notifications = Notifications(self.log_reader.wake, self.stop)
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._readers: dict[uuid.UUID, asyncio.Task[None]] = {}  # of the providers' answers
        self._submissions: set[asyncio.Task[PromptResult]] = set()
        self._slots: Counter[uuid.UUID] = Counter()  # in use, by user
        self._background: list[asyncio.Task[None]] = []
        self._log = LogWriter(self.buffers, self.notifications, self.stop)
        self._timer = FlushTimer(self.buffers, self._log.schedule, self.stop)
        self.metrics = AnswerMetrics(lambda: len(self.buffers))
        self.is_closing = False

    def open(self) -> None:
        """Start the background tasks."""
        runs = {
            "answer log": self._log.run,
            "answer log reader": self.log_reader.run,
            "answer reaper": self._run_reaper,
            "answer pings": self._run_pings,
        }
        if settings.REDIS_URL:
            runs["answer notifications"] = self.notifications.listen
        self._background = [
            supervise(run, name, max_pause_s=URGENT_S) for name, run in runs.items()
        ]

    async def submit(
        self, check: Check, write: Callable[[], PromptResult], prepare: Prepare, user_id: uuid.UUID
    ) -> PromptResult:
        """Await `check`, call `write`, which stores a prompt, and start a new generation.

        Completes even if the request is cancelled. One user gets at most half of all slots.
        Raises `Overloaded`, and whatever `check` and `write` raise.
        """
        limit = settings.ANSWERS_AT_ONCE
        if self.is_closing or self._slots.total() >= limit or 2 * self._slots[user_id] > limit:
            raise Overloaded
        # An empty context: in the request's, the database connection ends with the request.
        task = asyncio.get_running_loop().create_task(
            self._submit(check, write, prepare, user_id),
            name="prompt",
            context=contextvars.Context(),
        )
        self._slots[user_id] += 1
        self._submissions.add(task)
        task.add_done_callback(self._on_submitted)
        return await asyncio.shield(task)

    async def _submit(
        self, check: Check, write: Callable[[], PromptResult], prepare: Prepare, user_id: uuid.UUID
    ) -> PromptResult:
        task = None
        try:
            await check()
            if self.is_closing:
                raise Overloaded
            result = await in_database_thread(write)
            task = self._begin(result, prepare) if result.is_new else None
        finally:
            if task is None:
                self._release_slot(user_id)
            else:
                task.add_done_callback(lambda _: self._release_slot(user_id))
        return result

    def _begin(self, prompt: PromptResult, prepare: Prepare) -> asyncio.Task[None]:
        reader = AnswerReader(prompt, prepare)
        buffer = reader.buffer
        self.buffers[buffer.generation_id] = buffer
        reading = asyncio.create_task(reader.read(self._timer.schedule))
        self._readers[buffer.generation_id] = reading
        task = asyncio.create_task(self._run(reader, reading), name=f"answer {buffer.message_id}")
        self._tasks[buffer.generation_id] = task
        task.add_done_callback(report)
        self._log.schedule()
        return task

    def _release_slot(self, user_id: uuid.UUID) -> None:
        self._slots[user_id] -= 1
        if not self._slots[user_id]:
            del self._slots[user_id]

    def _on_submitted(self, task: asyncio.Task[PromptResult]) -> None:
        self._submissions.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved: the caller has it, unless its request was cancelled

    def stop(self, generation_id: uuid.UUID) -> None:
        """Stop a generation and keep its text. Does nothing if it does not run in this process."""
        reading = self._readers.get(generation_id)
        if reading is not None:
            reading.cancel()

    async def close(self) -> None:
        """Interrupt all generations, store their text, and end all tasks."""
        self.is_closing = True
        if self._submissions:
            await asyncio.wait(tuple(self._submissions), timeout=CLOSE_S / 2)
        for reading in tuple(self._readers.values()):
            reading.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks.values()), timeout=CLOSE_S)
        for task in (*self._tasks.values(), *self._background):
            task.cancel()

    async def _run(self, reader: AnswerReader, reading: asyncio.Task[None]) -> None:
        """Wait until the answer has been read, store its ending, and send the last events."""
        buffer = reader.buffer
        try:
            await asyncio.wait({reading})
            if reading.cancelled():
                buffer.discard_pending_text()
            ending = reader.ending(is_cancelled=reading.cancelled(), is_closing=self.is_closing)
            if buffer.generation_id in self.buffers and await self._log.finish(buffer, ending):
                self.metrics.count(ending)
                for event in ending.events():
                    buffer.append(event)
        finally:
            reading.cancel()
            del self._readers[buffer.generation_id], self._tasks[buffer.generation_id]
            self.buffers.pop(buffer.generation_id, None)
            buffer.end()

    async def _run_reaper(self) -> None:
        while True:
            try:
                orphans = await in_database_thread(reap)
                self.metrics.count_orphans(len(orphans))
                await self.notifications.announce_growth(set(orphans))
            except DatabaseError as error:
                if unavailability(error) is None:
                    raise
                log.error("answers of dead processes could not be ended: %s", error)
                await asyncio.sleep(REAP_RETRY_S)
            await asyncio.sleep(REAP_S)

    async def _run_pings(self) -> None:
        while True:
            await asyncio.sleep(PING_CHECK_S)
            self._ping()

    def _ping(self) -> None:
        now = time.monotonic()
        for subscriber in tuple(self.subscribers):
            with suppress_and_log("a subscriber could not be checked"):
                subscriber.check(now)


class AnswerReader:
    """Reads a provider's answer into a buffer until it ends, fails or is cancelled."""

    def __init__(self, prompt: PromptResult, prepare: Prepare) -> None:
        self.buffer = Buffer(prompt.generation_id, prompt.message_id)
        self.buffer.append(encoding.start(prompt.message_id, prompt.user_message_id, prompt.model))
        self._prompt, self._prepare = prompt, prepare
        self._started_at = time.monotonic()
        self._first_token_at: float | None = None
        self._finish: Finish | None = None
        self._error: ProviderError | None = None

    async def read(self, on_text: Callable[[Buffer], None]) -> None:
        """Read until all text has been published. An error is kept for `ending`, not raised."""
        try:
            provider, conversation = await self._prepare(self._prompt)
            if conversation.prefill:
                self.buffer.add_text(conversation.prefill)
                on_text(self.buffer)
            await self._ask(provider, conversation, on_text)
        except ProviderError as error:
            log.info("answer %s failed: %s", self.buffer.message_id, error.sentence)
            self._error = error
        except Exception:
            log.exception("answer %s failed", self.buffer.message_id)
            self._error = ProviderError(INTERNAL_ERROR)
        await self.buffer.drained.wait()

    async def _ask(
        self, provider: Provider, conversation: Conversation, on_text: Callable[[Buffer], None]
    ) -> None:
        """Receive the answer; a model that refuses the length is asked with a shorter history."""
        while True:
            try:
                async with aclosing(provider.answer(conversation)) as answer:
                    return await self._receive(answer, on_text)
            except TooLong:
                shorter = conversation.shortened()
                if shorter is None or self._first_token_at is not None:
                    raise
                log.info("answer %s: asked again with less history", self.buffer.message_id)
                conversation = shorter

    async def _receive(
        self, answer: AsyncIterator[str | Finish], on_text: Callable[[Buffer], None]
    ) -> None:
        buffer = self.buffer
        async for piece in answer:
            if isinstance(piece, Finish):
                self._finish = piece
                return
            if self._first_token_at is None:
                self._first_token_at = time.monotonic()
            buffer.add_text(piece)
            on_text(buffer)
            if buffer.text_size >= MAX_TEXT:
                self._finish = Finish("length")
                return
            if not buffer.has_room.is_set():
                await buffer.has_room.wait()

    def ending(self, *, is_cancelled: bool, is_closing: bool) -> Ending:
        """Return how it ended. Cancelled means stopped, or interrupted if the process closes."""
        status, code, sentence, retryable = Status.COMPLETE, "", "", False
        if is_cancelled and is_closing:
            status, code, sentence, retryable = (
                Status.INTERRUPTED, "interrupted", INTERRUPTED, True
            )  # fmt: skip
        elif is_cancelled:
            status = Status.STOPPED
        elif self._error is not None:
            status, code = Status.FAILED, self._error.code
            sentence, retryable = self._error.sentence, self._error.retryable
        usage = self._finish.usage if self._finish else None
        return Ending(
            status, "".join(self.buffer.published), code, sentence, retryable,
            tokens_in=usage.tokens_in if usage else None,
            tokens_out=usage.tokens_out if usage else None,
            first_token_ms=self._elapsed_ms(self._first_token_at),
            duration_ms=self._elapsed_ms(time.monotonic()),
            cut_off=self._finish is not None and self._finish.reason == "length",
        )  # fmt: skip

    def _elapsed_ms(self, moment: float | None) -> int | None:
        return None if moment is None else round((moment - self._started_at) * 1000)
