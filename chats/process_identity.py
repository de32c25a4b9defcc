"""Identity of a process, so that another one can tell whether it still runs.

Pids are reused, so a process is identified by the machine's boot id, its pid and its start time.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


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
    # After the last parenthesis: the process name may contain spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in ("Z", "X"):
        return ""
    return fields[19]


@cache
def identity() -> str:
    """Return the id of this process: `boot id/pid namespace/pid/start time`."""
    return f"{_host_id()}/{os.getpid()}/{_start_time(os.getpid())}"


def is_running(process: str) -> bool | None:
    """Whether a process of this machine runs; None if it belongs to another machine."""
    host, pid, start = [*process.rsplit("/", 2), "", ""][:3]
    if host != _host_id() or not start:
        return None
    return _start_time(int(pid)) == start
