"""Processes of the suite that end when the process that started them is killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable

import psutil

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process as soon as the process `parent` is gone.

    The signal belongs to the thread that started this process: start it in one that stays.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that it is reaped here."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def bound(*command: str) -> list[str]:
    """The command, killed by the kernel when the thread that starts it is gone.

    Not if that is gone before the command has begun: a gap of a millisecond.
    """
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those still running; one that waits for its parent to notice has ended."""
    return [process for process in processes if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def command_line(process: psutil.Process) -> str:
    """What it was started with; empty where it has ended."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
