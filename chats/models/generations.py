"""One run of a model: its process, the log of its events, and its ending."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from chats.models.chats import Chat, ChatQuerySet
from chats.models.messages import Message, Status
from chats.models.quotas import Quota, estimate_tokens
from chats.sse import encoding
from project.accounts.models import Organization

Event = dict[str, Any]

INTERRUPTED = "The server was stopped before the answer was finished. What had arrived is kept."

# A killed process may have sent events that it had not stored. Their numbers must not be reused:
# events that the reaper adds start this far after the last stored one.
GAP = 1_000_000
# Events of a pruned log are made from the message, with numbers that no event of a log has.
REMADE = 2**40
_INSERT = """
    INSERT INTO chats_generationevent (generation_id, "first", "last", events)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (generation_id, "first")
    DO UPDATE SET "last" = excluded."last", events = excluded.events
"""  # on conflict: a retry after a commit whose confirmation got lost, with newer events

_SELECT = """
    SELECT generation_id, "first", events FROM chats_generationevent
    WHERE %s ORDER BY generation_id, "first"
"""
_BEHIND = '(generation_id = %s AND "first" >= %s AND "last" > %s)'


class GenerationQuerySet(models.QuerySet["Generation"]):
    def running(self) -> GenerationQuerySet:
        return self.filter(status=Status.RUNNING)

    def silent(self) -> GenerationQuerySet:
        """Running generations without a heartbeat for `ANSWER_SILENCE_S`."""
        silence = timedelta(seconds=settings.ANSWER_SILENCE_S)
        return self.running().filter(heartbeat_at__lt=timezone.now() - silence)


class Generation(models.Model):
    """One run of a model for one assistant message."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="generation")
    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="generations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.RUNNING)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - unique when given
    process = models.CharField(max_length=200)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    stop_requested_at = models.DateTimeField(null=True)
    day = models.DateField()  # of the quota that it is reserved from
    reserved = models.PositiveIntegerField(default=0)
    # Estimates, for providers that do not count and for answers that end early: tokens of the
    # input, and of the text that the answer started with.
    tokens_asked = models.PositiveIntegerField(default=0)
    tokens_begun = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    objects = GenerationQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("chat",), condition=models.Q(status="running"), name="one_answer_at_a_time"
            ),
            models.UniqueConstraint(
                fields=("user", "idempotency_key"),
                condition=models.Q(idempotency_key__isnull=False),
                name="one_answer_for_each_key",
            ),
        )
        indexes = (
            models.Index(
                fields=("heartbeat_at",),
                condition=models.Q(status="running"),
                name="generations_running",
            ),
        )

    def __str__(self) -> str:
        return f"{self.message_id} ({self.get_status_display()})"

    def events_after(self, after: int = 0) -> list[tuple[int, Event]]:
        """Return numbers and events of the log after number `after`, in order.

        If the log was pruned, the events are made from the message.
        """
        rows = self.events.filter(last__gt=after)
        found = [(seq, event) for row in rows for seq, event in row.numbered() if seq > after]
        return found or [(seq, event) for seq, event in self._remade() if seq > after]

    def has_event(self, seq: int) -> bool:
        """Whether event `seq` is stored; True for 0, the position before the first event."""
        if seq > REMADE:
            return any(seq == made for made, _ in self._remade())
        return seq == 0 or self.events.filter(first__lte=seq, last__gte=seq).exists()

    def is_done_event(self, seq: int) -> bool:
        """Whether `seq` is the number of the `done` event, the last one."""
        if self.status == Status.RUNNING:
            return False
        last = self.events.values_list("last", flat=True).last() or self._remade()[-1][0]
        return seq == last

    def _remade(self) -> list[tuple[int, Event]]:
        """Return numbers and events made from the message, if the log was pruned."""
        if self.status == Status.RUNNING or self.events.exists():
            return []
        return list(enumerate(_events_from(self.message), REMADE + 1))

    def text(self) -> str:
        """Return the text in the log."""
        return "".join(
            event["text"] for _, event in self.events_after() if event["type"] == "chunk"
        )


class GenerationEventQuerySet(models.QuerySet["GenerationEvent"]):
    def write(self, batches: Iterable[tuple[uuid.UUID, int, list[str]]]) -> None:
        """Insert one row per batch: generation, number of its first event, events as JSON.

        Raw SQL, because with many answers at once `bulk_create` takes a seventh of the CPU time.
        """
        native = connection.features.has_native_uuid_field
        rows = [
            (pk if native else pk.hex, first, first + len(lines) - 1, f"[{','.join(lines)}]")
            for pk, first, lines in batches
        ]
        with connection.cursor() as cursor:
            cursor.executemany(_INSERT, rows)

    def grown(
        self, positions: Mapping[uuid.UUID, tuple[int, int]]
    ) -> Iterator[tuple[uuid.UUID, int, list[Event]]]:
        """Yield id, number of the first event, and events of each row behind these positions.

        In order. A position is the `first` of the last known row, or 0, and the last known number:
        a row may have grown. One query for many logs.
        """
        native = connection.features.has_native_uuid_field
        values: list[uuid.UUID | str | int] = []
        for pk, (first, last) in positions.items():
            values += (pk if native else pk.hex, first, last)
        with connection.cursor() as cursor:
            cursor.execute(_SELECT % " OR ".join([_BEHIND] * len(positions)), values)
            for pk, first, events in cursor.fetchall():
                yield uuid.UUID(str(pk)), first, json.loads(events)


class GenerationEvent(models.Model):
    """A part of a generation's log: the events `first` to `last`, written together."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="events")
    first = models.PositiveIntegerField()
    last = models.PositiveIntegerField()
    events = models.TextField()  # a JSON list; PostgreSQL's jsonb would reorder keys

    objects = GenerationEventQuerySet.as_manager()

    class Meta:
        ordering = ("first",)
        constraints = (
            models.UniqueConstraint(fields=("generation", "first"), name="each_event_once"),
        )

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"

    def numbered(self) -> Iterator[tuple[int, Event]]:
        """Yield each event with its number."""
        yield from enumerate(json.loads(self.events), self.first)


def _events_from(message: Message) -> list[Event]:
    events = [encoding.start(message.pk, message.parent_id, message.model)]
    events += [encoding.chunk(piece) for piece in encoding.pieces(message.content)]
    return events + encoding.ending(
        message.status, message.error_code, message.error_message, retryable=message.retryable
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """How a generation ended, and its cost. Tokens are None if the provider did not count them."""

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
        """Return the last events of the stream."""
        return encoding.ending(self.status, self.code, self.sentence, retryable=self.retryable)

    def events_json(self) -> list[str]:
        """Return `events`, each as JSON."""
        return [encoding.event_json(event) for event in self.events()]


def interrupted(text: str) -> Ending:
    """Return the ending of a generation whose process is gone."""
    return Ending(
        Status.INTERRUPTED, text, code="interrupted", sentence=INTERRUPTED, retryable=True
    )


def settle(generation: Generation, ending: Ending) -> None:
    """Finalize message, generation and quota. Call it inside a transaction."""
    tokens_in, tokens_out, estimated = ending.tokens_in, ending.tokens_out, False
    if ending.status == Status.FAILED and not ending.text:
        tokens_in = tokens_out = 0  # refused or unreachable: it cost nothing
    elif tokens_in is None or tokens_out is None:
        estimated = True
        tokens_in = generation.tokens_asked
        tokens_out = max(0, estimate_tokens(ending.text) - generation.tokens_begun)
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
    Quota.settle(
        generation.organization_id, generation.user_id, generation.day,
        reserved=generation.reserved, tokens_in=tokens_in, tokens_out=tokens_out,
        stored=len(ending.text.encode()),
    )  # fmt: skip


def erase(chats: ChatQuerySet) -> int:
    """Delete chats and all their messages permanently; return the number of chats.

    Used tokens stay in the daily quotas. A process that is answering finds its generation gone at
    the next write, and stops.
    """
    with transaction.atomic():  # locks as prompts do: chats, generations, quotas
        ids = list(chats.order_by("pk").select_for_update().values_list("pk", flat=True))
        running = Generation.objects.running().filter(chat__in=ids).order_by("pk")
        for generation in running.select_for_update():
            settle(generation, interrupted(generation.text()))
        Chat.objects.filter(pk__in=ids).delete()
    return len(ids)
