"""How an answer ended, in rows and as its last events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from chats import streams
from chats.models.allowances import Allowance
from chats.models.generations import Generation
from chats.models.messages import Message, Status
from chats.tokens import tokens_about

INTERRUPTED = "The server was stopped before the answer was finished. What had arrived is kept."


@dataclass(frozen=True, slots=True)
class Ending:
    """How and at what cost. Tokens are None where the provider did not count; times are ms."""

    status: Status
    text: str = ""
    code: str = ""
    sentence: str = ""
    retryable: bool = False
    tokens_in: int | None = None
    tokens_out: int | None = None
    first_token_ms: int | None = None
    duration_ms: int | None = None
    cut_off: bool = False

    def events(self) -> list[dict[str, Any]]:
        """What readers are told last."""
        return streams.ending(self.status, self.code, self.sentence, retryable=self.retryable)

    def lines(self) -> list[str]:
        """The same as JSON."""
        return [streams.event_json(event) for event in self.events()]


def interrupted(text: str) -> Ending:
    return Ending(
        Status.INTERRUPTED, text, code="interrupted", sentence=INTERRUPTED, retryable=True
    )


def settle(generation: Generation, ending: Ending) -> None:
    """Make the rows final: message, generation, allowance. Inside a transaction."""
    tokens_in, tokens_out, estimated = ending.tokens_in, ending.tokens_out, False
    if ending.status == Status.FAILED and not ending.text:
        tokens_in = tokens_out = 0  # refused, or not even reached: it cost nothing
    elif tokens_in is None or tokens_out is None:
        estimated = True
        tokens_in = generation.tokens_asked
        tokens_out = max(0, tokens_about(ending.text) - generation.tokens_begun)
    Message.objects.filter(pk=generation.message_id).update(
        content=ending.text, status=ending.status, error_code=ending.code,
        error_message=ending.sentence[:500], retryable=ending.retryable,
        tokens_in=tokens_in, tokens_out=tokens_out, tokens_estimated=estimated,
        first_token_ms=ending.first_token_ms, duration_ms=ending.duration_ms,
        cut_off=ending.cut_off,
    )  # fmt: skip
    Generation.objects.filter(pk=generation.pk).update(
        status=ending.status, finished_at=timezone.now()
    )
    Allowance.settle(
        generation.organization_id, generation.user_id, generation.day,
        reserved=generation.reserved, tokens_in=tokens_in, tokens_out=tokens_out,
    )  # fmt: skip
