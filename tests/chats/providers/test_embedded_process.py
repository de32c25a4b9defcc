"""The process of the built-in model: start, idle end, crash and shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from chats.providers.base import Finish, ProviderError, Unreachable
from chats.providers.embedded import MAX_STARTS, STARTS_WITHIN_S, Embedded
from chats.providers.embedded_server import NICENESS
from tests.chats.providers.embedded import (
    STORY,
    ask,
    collect,
    normal_priority,
    process,
    servers,
    text_of,
)
from tests.processes import killed_with_parent, still_running
from tests.waiting import until


async def test_concurrent_first_requests_start_one_process() -> None:
    running = {server.pid for server in servers()}
    model = normal_priority()
    answers = await asyncio.gather(
        *(collect(model, ask(f"Hi, {n}.", max_tokens=2)) for n in range(8))
    )
    assert all(isinstance(answer[-1], Finish) for answer in answers)
    assert {server.pid for server in servers()} - running == {model.pid}
    server = process(model)
    model.end()  # works without an event loop
    assert not server.is_running()
    with pytest.raises(Unreachable, match="shut down"):
        await collect(model, ask("Hello."))
    await model.close()


async def test_killed_process_is_replaced() -> None:
    model = normal_priority()
    pieces = model.answer(ask(STORY, max_tokens=500))
    assert await anext(pieces)
    first = model.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(Unreachable, match="stopped in mid-answer"):
        async for _ in pieces:
            pass
    assert text_of(await collect(model, ask("Are you there?")))
    assert model.pid not in (None, first)
    await model.close()


async def test_process_that_keeps_crashing_is_not_restarted(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    model = Embedded(command=("-c", f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(1)"))
    for _ in range(MAX_STARTS):
        with pytest.raises(ProviderError, match="could not be started"):
            await model.check()
    with pytest.raises(ProviderError, match="keeps stopping") as caught:
        await model.check()
    assert starts.read_text() == "x" * MAX_STARTS
    assert caught.value.retryable
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= STARTS_WITHIN_S
    await model.close()


async def test_idle_process_ends_and_restarts_on_demand() -> None:
    model = normal_priority(idle_s=0.2)
    await collect(model, ask("Hello.", max_tokens=2))
    await asyncio.to_thread(until, lambda: model.pid is None, 30)
    assert text_of(await collect(model, ask("Hello again.", max_tokens=2)))
    await model.close()


PARENT = """
import asyncio, time
from tests.chats.providers.embedded import STORY, ask, normal_priority

async def main():
    model = normal_priority()
    async for _ in model.answer(ask(STORY, max_tokens=2000)):
        print(model.pid, flush=True)
        time.sleep(60)

asyncio.run(main())
"""


def test_process_ends_with_its_killed_parent() -> None:
    parent = subprocess.Popen(
        killed_with_parent(sys.executable, "-c", PARENT), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not still_running([server]), 30)


# Starts a new thread just before the first priority change: it inherits the old priority.
STARTS_A_THREAD = """
import os, threading
from chats.providers import embedded_server

set_priority, started = os.setpriority, []

def start_thread_first(*args):
    if not started:
        started.append(threading.Thread(target=threading.Event().wait, daemon=True))
        started[0].start()
    set_priority(*args)

os.setpriority = start_thread_first
embedded_server.lower_priority()
tasks = map(int, os.listdir("/proc/self/task"))
print(*{os.getpriority(os.PRIO_PROCESS, task) for task in tasks}, len(started), flush=True)
os._exit(0)
"""


def test_thread_started_meanwhile_gets_low_priority() -> None:
    done = subprocess.run([sys.executable, "-c", STARTS_A_THREAD], capture_output=True, check=True)
    assert done.stdout.split() == [b"%d" % NICENESS, b"1"]
