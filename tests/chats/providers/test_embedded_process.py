"""The process of the built-in model: how it starts, rests, dies and ends."""

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
from tests.processes import bound, living
from tests.waiting import until


async def test_many_first_questions_start_one_process_which_stays_ended() -> None:
    running = {server.pid for server in servers()}
    model = normal_priority()
    answers = await asyncio.gather(*(collect(model, ask(f"Hi, {n}.", most=2)) for n in range(8)))
    assert all(isinstance(answer[-1], Finish) for answer in answers)
    assert {server.pid for server in servers()} - running == {model.pid}
    server = process(model)
    model.end()  # which needs no loop
    assert not server.is_running()
    with pytest.raises(Unreachable, match="shut down"):
        await collect(model, ask("Hello."))
    await model.close()


async def test_a_killed_process_is_replaced() -> None:
    model = normal_priority()
    pieces = model.answer(ask(STORY, most=500))
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


async def test_a_process_that_keeps_dying_is_left_alone_for_a_while(tmp_path: Path) -> None:
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


async def test_it_rests_when_nobody_asks_and_wakes_when_somebody_does() -> None:
    model = normal_priority(idle_s=0.2)
    await collect(model, ask("Hello.", most=2))
    await asyncio.to_thread(until, lambda: model.pid is None, 30)
    assert text_of(await collect(model, ask("Hello again.", most=2)))
    await model.close()


PARENT = """
import asyncio, time
from tests.chats.providers.embedded import STORY, ask, normal_priority

async def main():
    model = normal_priority()
    async for _ in model.answer(ask(STORY, most=2000)):
        print(model.pid, flush=True)
        time.sleep(60)

asyncio.run(main())
"""


def test_it_ends_with_its_parent_however_that_ends() -> None:
    parent = subprocess.Popen(bound(sys.executable, "-c", PARENT), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not living([server]), 30)


# The first thread to be slowed begins another one just before: it has the priority of its maker.
BEGINS_ANOTHER = """
import os, threading
from chats.providers import embedded_server

slow, begun = os.setpriority, []

def first_begin_another(*how):
    if not begun:
        begun.append(threading.Thread(target=threading.Event().wait, daemon=True))
        begun[0].start()
    slow(*how)

os.setpriority = first_begin_another
embedded_server.lower_priority()
tasks = map(int, os.listdir("/proc/self/task"))
print(*{os.getpriority(os.PRIO_PROCESS, task) for task in tasks}, len(begun), flush=True)
os._exit(0)
"""


def test_a_thread_begun_meanwhile_steps_back_too() -> None:
    done = subprocess.run([sys.executable, "-c", BEGINS_ANOTHER], capture_output=True, check=True)
    assert done.stdout.split() == [b"%d" % NICENESS, b"1"]
