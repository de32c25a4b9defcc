"""How an answer ended, in rows and as its last events. Synchronous: it asks the database."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from chats import streams
from chats.assistant import tokens_about
from chats.identity import identity, is_dead, is_of_this_boot
from chats.models import Allowance, Generation, GenerationEvent, Message, Status
from chats.models.generations import GAP

log = logging.getLogger(__name__)

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


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events to be stored, as JSON, from number `first` on; with `ending` they are the last."""

    generation_id: uuid.UUID
    first: int
    events: list[str]
    ending: Ending | None = None


def store(stretches: Collection[Stretch]) -> dict[uuid.UUID, bool]:
    """Write them in one transaction, and say that this process lives.

    Returns this process's running answers, each with whether its stop was requested. Of others
    (reaped meanwhile, or deleted) nothing is written.
    """
    with transaction.atomic():
        mine = Generation.objects.running().filter(process=identity())
        mine.update(heartbeat_at=timezone.now())  # and so locks them against a reaper
        rows = {pk: asked is not None for pk, asked in mine.values_list("pk", "stop_requested_at")}
        GenerationEvent.objects.write(
            (stretch.generation_id, stretch.first, stretch.events)
            for stretch in stretches
            if stretch.generation_id in rows and stretch.events
        )
        for stretch in stretches:
            if stretch.ending is not None and stretch.generation_id in rows:
                settle(Generation.objects.get(pk=stretch.generation_id), stretch.ending)
    return rows


def settle(generation: Generation, ending: Ending) -> None:
    """Make the rows final: message, generation, allowance. Inside a transaction."""
    tokens_in, tokens_out, estimated = ending.tokens_in, ending.tokens_out, False
    if ending.status == Status.FAILED and not ending.text:
        tokens_in = tokens_out = 0  # refused, or not even reached: it cost nothing
    elif tokens_in is None or tokens_out is None:
        estimated = True
        tokens_out = tokens_about(ending.text)
        tokens_in = _asked_about(generation)
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


def reap() -> list[uuid.UUID]:
    """End the answers whose process is gone, with their text kept; which they were.

    A process of this machine is looked for. Of others it is the heartbeat that tells; and with
    SQLite there are no others, only a machine that was started anew.
    """
    orphans = list(Generation.objects.silent())
    seen = {generation.pk for generation in orphans}
    alone = connection.vendor == "sqlite"
    for generation in Generation.objects.running().exclude(pk__in=seen):
        whose = generation.process
        if is_dead(whose) or (alone and not is_of_this_boot(whose)):
            orphans.append(generation)
    return [generation.pk for generation in orphans if _interrupt(generation)]


def _interrupt(generation: Generation) -> bool:
    """False where it has been ended, or heard of, meanwhile."""
    with transaction.atomic():
        as_seen = Generation.objects.running().filter(
            pk=generation.pk, heartbeat_at=generation.heartbeat_at
        )
        if not as_seen.update(status=Status.INTERRUPTED):
            return False
        log.warning("answer %s was interrupted: its process is gone", generation.message_id)
        ending = interrupted(generation.text())
        settle(generation, ending)
        last = generation.events.last()
        first = (last.last if last else 0) + GAP
        GenerationEvent.objects.write([(generation.pk, first, ending.lines())])
    return True


def _asked_about(generation: Generation) -> int:
    """Tokens of the question, about: what was reserved, without the answer's part."""
    prompt = Message.objects.filter(replies=generation.message_id).first()
    return tokens_about(prompt.content) if prompt else 0
