"""Answers that fail and responses that raise, by the dozen: no descriptor and no memory stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests import ROOT
from tests.chats.talking import Talker, server_of, talking
from tests.endpoint import Model, Script
from tests.processes import bound
from tests.waiting import free_port, until

# Each way that an endpoint has.
WAYS = (
    Script(status=500), Script(breaks=True), Script(raw=b"\xff\xfe nonsense"),
    Script(pieces=("a",), error={"message": "no"}), Script(pieces=("a",), ends=True),
)  # fmt: skip
TIMES = pytest.mark.parametrize(
    "times",
    [pytest.param(50, marks=pytest.mark.timing), pytest.param(1000, marks=pytest.mark.soak)],
)


def provoke(model: Model, talker: Talker, times: int) -> None:
    """So many answers that fail."""
    chat = talker.chat()
    for turn in range(times):
        model.script = WAYS[turn % len(WAYS)]
        events = talker.say(chat, f"Fail {turn}")
        assert events[-1].body["status"] == "failed"
        if turn % 10 == 9:
            chat = talker.chat()


def flat(
    server: psutil.Process, fail: Callable[[int], None], times: int, *, files: int, memory: int
) -> None:
    """So many faults leave the server with at most so many descriptors and bytes more."""
    fail(20)  # whatever is made once is made
    until(lambda: len(server.net_connections()) < 8, 30, "the connections to be closed")
    bytes_before, files_before = server.memory_info().rss, server.num_fds()
    fail(times)
    until(lambda: server.num_fds() <= files_before + files, 30, "the descriptors")
    grown = server.memory_info().rss - bytes_before
    assert grown < memory, f"{grown / 1e6:.1f} MB for {times} faults"


@TIMES
def test_answers_that_fail_leave_nothing_behind(folder: Path, model: Model, times: int) -> None:
    with talking(folder, model) as installation, Talker(installation) as talker:
        server = server_of(installation)
        memory = 8_000_000 + times * 4_000
        flat(server, lambda n: provoke(model, talker, n), times, files=4, memory=memory)
        assert "Traceback" not in installation.logged()


@TIMES
def test_responses_that_raise_in_the_middle_leave_nothing_behind(times: int) -> None:
    """On a server of their own, each of whose responses begins and then raises."""
    port = free_port()
    words = bound(sys.executable, "-m", "tests.serving", "faulty", str(port))
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as served:

        def ends() -> bool:
            """True where the response began and was ended, though what made it raised."""
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=30)
            except httpx.ConnectError:
                return False
            return answer.status_code == 200 and answer.text == ": ping\n\n"

        def fail(times: int) -> None:
            for _ in range(times):
                assert ends()

        try:
            until(ends, 30, "the server")
            memory = 4_000_000 + times * 2_000
            flat(psutil.Process(served.pid), fail, times, files=0, memory=memory)
        finally:
            served.terminate()
