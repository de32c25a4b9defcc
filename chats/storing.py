"""The log of answers as rows: written in batches, and ended for processes that are gone.

Synchronous: it asks the database.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection, transaction
from django.utils import timezone

from chats.identity import identity, is_alive, is_dead
from chats.models import Generation, GenerationEvent, Status
from chats.models.endings import Ending, interrupted, settle
from chats.models.generations import GAP

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events to be stored, as JSON, from number `first` on; with `ending` they are the last."""

    generation_id: uuid.UUID
    first: int
    events: list[str]
    ending: Ending | None = None


def store(stretches: Collection[Stretch], *, beat: bool) -> dict[uuid.UUID, bool]:
    """Write them in one transaction; with `beat` say that this process lives.

    Returns this process's running answers, each with whether its stop was requested. Of others
    (reaped meanwhile, or deleted) nothing is written.
    """
    with transaction.atomic():
        mine = Generation.objects.running().filter(process=identity())
        locked = mine.order_by("pk").select_for_update()  # against a reaper
        rows = {
            pk: asked is not None for pk, asked in locked.values_list("pk", "stop_requested_at")
        }
        if beat:
            mine.update(heartbeat_at=timezone.now())
        GenerationEvent.objects.write(
            (stretch.generation_id, stretch.first, stretch.events)
            for stretch in stretches
            if stretch.generation_id in rows and stretch.events
        )
        endings = {
            stretch.generation_id: stretch.ending
            for stretch in stretches
            if stretch.ending is not None and stretch.generation_id in rows
        }
        # In the order of allowances, so that two processes do not wait for each other.
        ended = Generation.objects.filter(pk__in=endings).order_by("organization", "user")
        for generation in ended:
            settle(generation, endings[generation.pk])
    return rows


def reap() -> list[uuid.UUID]:
    """End the answers whose process is gone, with their text kept; which they were.

    Processes of this machine are looked for, however long they have been silent. Of others it is
    the heartbeat that tells; and with SQLite there are no others, only a machine or a container
    that was started anew.
    """
    silent = set(Generation.objects.silent().values_list("pk", flat=True))
    alone = connection.vendor == "sqlite"
    orphans = [
        generation
        for generation in Generation.objects.running()
        if not is_alive(whose := generation.process)
        and (alone or generation.pk in silent or is_dead(whose))
    ]
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
