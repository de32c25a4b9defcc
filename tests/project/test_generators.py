"""Responses that raise in the middle, by the dozen and by the thousand."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import psutil
import pytest

from tests import ROOT
from tests.waiting import free_port, until

pytestmark = pytest.mark.one_database


def raising(times: int) -> None:
    """So many responses that raise in the middle, on a server of their own."""
    port = free_port()
    words = [sys.executable, "-m", "tests.serving", "faulty", str(port)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as served:
        server = psutil.Process(served.pid)
        try:
            until(lambda: _raised(port), 30, "the server")
            for _ in range(20):  # whatever is made once is made
                assert _raised(port)
            memory, files = server.memory_info().rss, server.num_fds()
            for _ in range(times):
                assert _raised(port)
            until(lambda: server.num_fds() <= files, 10, "the connections to be closed")
            grown = server.memory_info().rss - memory
            assert grown < 4_000_000 + times * 2_000, f"{grown / 1e6:.1f} MB for {times} faults"
        finally:
            served.terminate()


def _raised(port: int) -> bool:
    """True where the response began and was ended, though what made it raised."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
    except httpx.ConnectError:
        return False
    return answer.status_code == 200 and answer.text == ": ping\n\n"


def test_fifty_generators_that_raise_leave_nothing_behind() -> None:
    raising(50)


@pytest.mark.soak
def test_thousand_generators_that_raise_leave_nothing_behind() -> None:
    raising(1000)
