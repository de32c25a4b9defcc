"""Ends generations whose process is gone, and tells processes apart.

A process id alone is reused, so a process is known by the machine's boot, its pid and its start.
"""

from __future__ import annotations

import logging
import os
import uuid
from functools import cache
from pathlib import Path

from django.db import connection, transaction

from chats.models import Generation, GenerationEvent, Status
from chats.models.generations import GAP, interrupted, settle

log = logging.getLogger(__name__)


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _here() -> str:
    """The machine since its start, and the space of process ids: in a container one of its own."""
    try:
        space = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        space = ""
    return f"{_read('/proc/sys/kernel/random/boot_id') or os.uname().nodename}/{space}"


def _started(pid: int) -> str:
    """When the process started, in ticks since the machine did; empty where there is none."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat.rpartition(")")[2].split()  # its name may hold anything
    if len(fields) < 20 or fields[0] in ("Z", "X"):
        return ""
    return fields[19]


@cache
def identity() -> str:
    """This process: `boot id/space of pids/pid/start`. A pid alone is given out again."""
    return f"{_here()}/{os.getpid()}/{_started(os.getpid())}"


def is_alive(process: str) -> bool:
    """True where `process` is of this machine and runs."""
    pid, start = _of_here(process)
    return bool(start) and _started(pid) == start


def is_dead(process: str) -> bool:
    """True where `process` was of this machine and is no more; of others nothing is known."""
    pid, start = _of_here(process)
    return bool(start) and _started(pid) != start


def _of_here(process: str) -> tuple[int, str]:
    """Its pid and start; an empty start where it is not of this machine."""
    here, pid, start = [*process.rsplit("/", 2), "", ""][:3]
    return (int(pid), start) if here == _here() and pid.isdigit() else (0, "")


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
