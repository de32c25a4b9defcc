"""Ends generations whose process is gone, and identifies processes.

Pids are reused, so a process is identified by the machine's boot id, its pid and its start time.
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


def _host_id() -> str:
    """Return `boot id/pid namespace`; a container has a namespace of its own."""
    try:
        namespace = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        namespace = ""
    return f"{_read('/proc/sys/kernel/random/boot_id') or os.uname().nodename}/{namespace}"


def _start_time(pid: int) -> str:
    """Return the start of a process in clock ticks since boot; empty if there is no process."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat.rpartition(")")[
        2
    ].split()  # the name may contain anything, spaces and parentheses too
    if len(fields) < 20 or fields[0] in ("Z", "X"):
        return ""
    return fields[19]


@cache
def identity() -> str:
    """Return the id of this process: `boot id/pid namespace/pid/start time`."""
    return f"{_host_id()}/{os.getpid()}/{_start_time(os.getpid())}"


def is_alive(process: str) -> bool:
    """Whether `process` belongs to this machine and runs."""
    pid, start = _parse_local(process)
    return bool(start) and _start_time(pid) == start


def is_dead(process: str) -> bool:
    """Whether `process` belonged to this machine and has ended; False for other machines."""
    pid, start = _parse_local(process)
    return bool(start) and _start_time(pid) != start


def _parse_local(process: str) -> tuple[int, str]:
    """Return pid and start time; `(0, "")` if the process belongs to another machine."""
    host, pid, start = [*process.rsplit("/", 2), "", ""][:3]
    return (int(pid), start) if host == _host_id() and pid.isdigit() else (0, "")


def reap() -> list[uuid.UUID]:
    """Interrupt generations whose process is gone and keep their text; return their ids.

    Processes of this machine are looked up by pid. Those of other machines count as gone once
    their heartbeat is too old, or with SQLite at once: there can only be one machine, which was
    restarted.
    """
    silent = set(Generation.objects.silent().values_list("pk", flat=True))
    is_only_host = connection.vendor == "sqlite"
    orphans = [
        generation
        for generation in Generation.objects.running()
        if not is_alive(generation.process)
        and (is_only_host or generation.pk in silent or is_dead(generation.process))
    ]
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
