"""Ctrl-C and a kill: all of it ends, and quickly."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.installation import Installation, installed
from tests.waiting import until

pytestmark = pytest.mark.one_database  # `house` starts on PostgreSQL, too


def running(process: subprocess.Popen[bytes], what: str, megabytes: int = 0) -> psutil.Process:
    """The child whose command line names `what`, once it has grown to so many megabytes."""

    def found() -> psutil.Process | None:
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                grown = child.memory_info().rss >= megabytes * 1024**2
                if grown and any(what in word for word in child.cmdline()):
                    return child
        return None

    child = until(found, 20, what)
    assert child is not None
    return child


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those still running; one that waits for its parent to notice has ended."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def interrupt(installation: Installation, process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C, as a terminal does, and see all of it end quickly and quietly."""
    children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.wait(10)
    assert time.monotonic() - began <= 3
    assert living(children) == []
    assert "Traceback" not in installation.logged(), installation.logged()


def test_ctrl_c_with_viewers_ends_within_three_seconds_and_leaves_no_child(folder: Path) -> None:
    with installed(folder) as installation:
        process = installation.serve()
        running(process, "cameras.ingest.worker")
        with installation.api() as api:
            camera = api.get("/cameras").json()["results"][0]["id"]
            with api.stream("GET", f"/cameras/{camera}/stream.mjpeg") as watched:
                next(watched.iter_raw())
                interrupt(installation, process)


def test_ctrl_c_is_quiet_at_any_moment_of_the_start(folder: Path) -> None:
    """Whoever is still importing has no handler yet: the megabytes say how far it has come."""
    with installed(folder) as installation:
        installation.serve()
        installation.stop()
        for what, megabytes in (("ingest", 25), ("ingest", 40), ("cameras.ingest.worker", 12)):
            process = installation.spawn("serve")
            running(process, what, megabytes)
            interrupt(installation, process)


def test_killed_server_leaves_no_child_behind(folder: Path) -> None:
    with installed(folder) as installation:
        process = installation.serve()
        running(process, "cameras.ingest.worker")
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.kill()
        process.wait(5)
        until(lambda: not living(children), 6, "the end of ingest and its reader")
