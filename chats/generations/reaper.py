"""Ends generations whose process is gone."""

from __future__ import annotations

import logging
import uuid

from django.db import connection, transaction

from chats.models import Generation, GenerationEvent, Status
from chats.models.generations import GAP, interrupted, settle
from chats.process_identity import identity, is_running

log = logging.getLogger(__name__)


def reap() -> list[uuid.UUID]:
    """Interrupt generations whose process is gone and keep their text; return their ids.

    Processes of this machine are looked up by pid. Those of other machines count as gone once
    their heartbeat is too old, or with SQLite at once: there can only be one machine, which was
    restarted. Cheap enough for every second: one query, and one for each process of another
    machine or that is gone.
    """
    running = Generation.objects.running()
    others = running.exclude(process=identity()).values_list("process", flat=True).distinct()
    orphans: list[Generation] = []
    for process in others:
        runs = is_running(process)
        if runs:
            continue
        is_gone = runs is False or connection.vendor == "sqlite"
        orphans += (running if is_gone else Generation.objects.silent()).filter(process=process)
    return [generation.pk for generation in orphans if _interrupt(generation)]


def _interrupt(generation: Generation) -> bool:
    """End a generation; False if it has ended or sent a heartbeat meanwhile."""
    with transaction.atomic():
        unchanged = Generation.objects.running().filter(
            pk=generation.pk, heartbeat_at=generation.heartbeat_at
        )
        if not unchanged.update(status=Status.INTERRUPTED):
            return False
        log.warning("answer %s was interrupted: its process is gone", generation.message_id)
        ending = interrupted(generation.text())
        settle(generation, ending)
        last = generation.events.last()
        first = (last.last if last else 0) + GAP
        GenerationEvent.objects.write([(generation.pk, first, ending.events_json())])
    return True
