"""Which process this is, so that another one can tell whether it still lives."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


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
