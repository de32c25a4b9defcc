"""A detached run: one model's answer to one conversation, heard into a `Run`."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from chats import streams
from chats.asking import Asked
from chats.models import Status
from chats.models.endings import INTERRUPTED, Ending
from chats.providers.base import Conversation, Finish, Provider, ProviderError
from chats.runs import TEXT_MOST, Run

log = logging.getLogger(__name__)

FAULT = "Something went wrong in Sideline while the answer was made; it has been logged."


# What to ask, of whom; it asks the database, and may find that it cannot be asked.
Prepare = Callable[[], Awaitable[tuple[Provider, Conversation]]]


class Answering:
    """Listens to the provider until its end, a fault or a cancellation; then knows the ending."""

    def __init__(self, asked: Asked, prepare: Prepare) -> None:
        self.run = Run(asked.generation_id, asked.message_id)
        self.run.say(streams.start(asked.message_id, asked.user_message_id, asked.model))
        self._prepare = prepare
        self._began = time.monotonic()
        self._first: float | None = None
        self._finish: Finish | None = None
        self._fault: ProviderError | None = None

    async def listen(self, heard: Callable[[Run], None]) -> None:
        """Until the whole answer was shown; a fault is kept for `ending`."""
        try:
            provider, conversation = await self._prepare()
            if conversation.unfinished:
                self.run.hear(conversation.unfinished)
                heard(self.run)
            async with aclosing(provider.answer(conversation)) as answer:
                await self._hear(answer, heard)
        except ProviderError as fault:
            log.info("answer %s failed: %s", self.run.message_id, fault.sentence)
            self._fault = fault
        except Exception:
            log.exception("answer %s failed", self.run.message_id)
            self._fault = ProviderError(FAULT)
        await self.run.drained.wait()

    async def _hear(
        self, answer: AsyncIterator[str | Finish], heard: Callable[[Run], None]
    ) -> None:
        run = self.run
        async for piece in answer:
            if isinstance(piece, Finish):
                self._finish = piece
                return
            if self._first is None:
                self._first = time.monotonic()
            run.hear(piece)
            heard(run)
            if run.size >= TEXT_MOST:
                self._finish = Finish("length")
                return
            if not run.room.is_set():
                await run.room.wait()

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
            status, "".join(self.run.shown), code, sentence, retryable,
            tokens_in=usage.tokens_in if usage else None,
            tokens_out=usage.tokens_out if usage else None,
            first_token_ms=self._since(self._first),
            duration_ms=self._since(time.monotonic()),
            cut_off=self._finish is not None and self._finish.reason == "length",
        )  # fmt: skip

    def _since(self, moment: float | None) -> int | None:
        return None if moment is None else round((moment - self._began) * 1000)
