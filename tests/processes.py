"""Child processes that end when their parent is killed, and helpers for processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Iterable

import psutil

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def die_with_parent(parent: int) -> None:
    """Make the kernel kill this process when its parent, the process `parent`, ends.

    The kernel watches the thread that started this process, so that thread must stay alive.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before prctl
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, to reap them here."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def killed_with_parent(*command: str) -> list[str]:
    """Return the command line, wrapped so that the kernel kills it when the starting thread ends.

    It does not work if that thread ends within the first millisecond.
    """
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


def still_running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that still run. A zombie has ended."""
    return [process for process in processes if _is_running(process)]


def _is_running(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def freeze(pid: int) -> Callable[[], None]:
    """Stop a process and its descendants, which keep their connections. Return what wakes them."""
    process = psutil.Process(pid)
    frozen = [process, *process.children(recursive=True)]
    for each in frozen:
        each.suspend()

    def wake() -> None:
        for each in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()

    return wake


def command_line(process: psutil.Process) -> str:
    """Return the command line of a process; empty if it has ended."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
