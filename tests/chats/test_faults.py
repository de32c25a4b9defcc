"""Many failed answers and raising responses leak neither descriptors nor memory."""

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
from tests.chats.talking import ChatClient, chat_installation, server_process
from tests.endpoint import Model, Script
from tests.processes import killed_with_parent
from tests.waiting import free_port, until

# Each way in which an endpoint fails.
FAILURES = (
    Script(status=500), Script(breaks=True), Script(raw=b"\xff\xfe nonsense"),
    Script(pieces=("a",), error={"message": "no"}), Script(pieces=("a",), ends=True),
)  # fmt: skip
TIMES = pytest.mark.parametrize(
    "times",
    [pytest.param(50, marks=pytest.mark.timing), pytest.param(1000, marks=pytest.mark.soak)],
)


def provoke(model: Model, client: ChatClient, times: int) -> None:
    """Cause this many failed answers."""
    chat = client.chat()
    for turn in range(times):
        model.script = FAILURES[turn % len(FAILURES)]
        events = client.send(chat, f"Fail {turn}")
        assert events[-1].body["status"] == "failed"
        if turn % 10 == 9:
            chat = client.chat()


def assert_no_leak(
    server: psutil.Process, fail: Callable[[int], None], times: int, *, files: int, memory: int
) -> None:
    """Assert that `times` failures add at most `files` descriptors and `memory` bytes."""
    fail(20)  # allocates what is allocated once
    until(lambda: len(server.net_connections()) < 8, 30, "the connections to be closed")
    bytes_before, files_before = server.memory_info().rss, server.num_fds()
    fail(times)
    until(lambda: server.num_fds() <= files_before + files, 30, "the descriptors")
    grown = server.memory_info().rss - bytes_before
    assert grown < memory, f"{grown / 1e6:.1f} MB for {times} faults"


@TIMES
def test_failed_answers_leak_nothing(folder: Path, model: Model, times: int) -> None:
    with chat_installation(folder, model) as installation, ChatClient(installation) as client:
        server = server_process(installation)
        memory = 8_000_000 + times * 4_000
        assert_no_leak(server, lambda n: provoke(model, client, n), times, files=4, memory=memory)
        assert "Traceback" not in installation.logged()


@TIMES
def test_responses_that_raise_leak_nothing(times: int) -> None:
    """Uses a server whose responses all begin and then raise."""
    port = free_port()
    words = killed_with_parent(sys.executable, "-m", "tests.serving", "faulty", str(port))
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as served:

        def ends() -> bool:
            """Whether the response began and was ended, although its view raised."""
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=30)
            except httpx.ConnectError:
                return False
            return answer.status_code == 200 and answer.text == ": ping\n"

        def fail(times: int) -> None:
            for _ in range(times):
                assert ends()

        try:
            until(ends, 30, "the server")
            memory = 4_000_000 + times * 2_000
            assert_no_leak(psutil.Process(served.pid), fail, times, files=0, memory=memory)
        finally:
            served.terminate()
