"""Supervision of background tasks, and where tasks are created at all."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from project import tasks
from project.tasks import end, restarts, supervise, supervise_all, suppress_and_log
from tests.waiting import until_async

ROOT = Path(tasks.__file__).parents[1]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PAUSE_S", 0.001)


async def test_loop_that_raises_or_returns_is_called_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = 0

    async def loop() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("once")
        if calls > 2:
            await asyncio.Event().wait()

    before = restarts["a loop"]
    task = supervise(loop, "a loop", "of the test")
    await until_async(lambda: calls == 3)
    assert restarts["a loop"] == before + 2
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "the task a loop of the test failed",
        "the task a loop of the test ended",
    ]
    assert caplog.records[0].exc_info is not None
    await end(task)
    assert task.cancelled()
    assert restarts["a loop"] == before + 2


async def test_cancellation_of_what_a_loop_awaits_does_not_end_it() -> None:
    calls = 0

    async def loop() -> None:
        nonlocal calls
        calls += 1
        other = asyncio.create_task(asyncio.Event().wait())
        if calls == 1:
            other.cancel()
        await other

    task = supervise(loop, "a cancelled loop")
    await until_async(lambda: calls == 2)
    assert not task.done()
    await end(task)
    assert restarts["a cancelled loop"] == 1


async def test_task_whose_end_fails_is_not_started_again(caplog: pytest.LogCaptureFixture) -> None:
    began = asyncio.Event()

    async def loop() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("while it ended")

    task = supervise(loop, "a loop that ends badly")
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert restarts["a loop that ends badly"] == 0
    assert "failed at its end" in caplog.text


async def test_pause_before_a_restart_doubles_and_is_short_again_after_a_long_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    async def loop() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            monkeypatch.setattr(tasks, "HEALTHY_S", -1.0)
        if calls == 6:
            await asyncio.Event().wait()

    monkeypatch.setattr(tasks, "PAUSE_S", 0.1)
    task = supervise(loop, "a failing loop", max_pause_s=0.4)
    await until_async(lambda: calls == 6)
    await end(task)
    pauses = [record.getMessage().rpartition(" in ")[2] for record in caplog.records]
    assert pauses == ["0.1 s", "0.2 s", "0.4 s", "0.4 s", "0.1 s"]


async def test_several_loops_end_together() -> None:
    running: set[str] = set()

    async def loop(name: str) -> None:
        running.add(name)
        try:
            await asyncio.Event().wait()
        finally:
            running.remove(name)

    every = asyncio.create_task(supervise_all({"a": lambda: loop("a"), "b": lambda: loop("b")}))
    await until_async(lambda: len(running) == 2)
    await end(every)
    assert not running


def test_failure_of_an_item_is_logged_once_in_a_while_and_suppressed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for item in (3, 3, 4):
        with suppress_and_log("item %s of the test failed", item):
            raise ValueError
    monkeypatch.setattr(tasks, "REPEAT_S", -1.0)
    with suppress_and_log("item %s of the test failed", 3):
        raise ValueError
    items = [record.getMessage().split()[1] for record in caplog.records]
    assert items == ["3", "4", "3"]
    assert all(record.exc_info for record in caplog.records)


# Tasks and threads that are not supervised, and why.
ONE_CONNECTION = "ends with its connection, which it closes when it fails"
ONE_ANSWER = "ends with its answer, which it fails"
PROCESS = "a failed thread ends its process, which is started again"
BRIEF = "does one thing and ends; a failure is logged or raised"
UNSUPERVISED = {
    "cameras/consumers/camera_socket.py _close_soon": BRIEF,
    "cameras/consumers/publish.py _open": ONE_CONNECTION,
    "cameras/consumers/stream.py _open": ONE_CONNECTION,
    "cameras/ingest/fork_client.py __init__": "ends with its process; the worker's task awaits it",
    "cameras/ingest/links.py __init__": PROCESS,
    "cameras/ingest/sources/rtsp_relay.py __init__": PROCESS,
    "cameras/ingest/sources/rtsp_relay.py _accept": ONE_CONNECTION,
    "cameras/ingest/supervisor.py run": "the process ends with them, and is started again",
    "cameras/ingest/worker/main.py start": PROCESS,
    "cameras/ingest/worker/probe.py probe": PROCESS,
    "cameras/ingest/worker/push.py start": PROCESS,
    "cameras/ingest/worker/reconnect.py __init__": PROCESS,
    "cameras/ingest/worker/reconnect.py start": PROCESS,
    "cameras/ingest/worker_process.py __init__": "the supervisor starts another worker",
    "cameras/live/frame_acceptor.py _claim": BRIEF,
    "cameras/live/frame_acceptor.py _run": BRIEF,
    "cameras/live/frame_acceptor.py accept": BRIEF,
    "cameras/management/commands/ingest.py _ingest": "what it starts is supervised",
    "chats/api/streams.py event_stream": ONE_CONNECTION,
    "chats/generations/runner.py _begin": ONE_ANSWER,
    "chats/generations/runner.py submit": BRIEF,
    "chats/providers/openai.py count_tokens": BRIEF,
    "chats/providers/transport.py __init__": ONE_ANSWER,
    "project/database/health.py report_reason": "probes are guarded; ends with the outage",
    "project/management/commands/serve.py _end_answers": BRIEF,
    "project/management/commands/serve.py _end_views": BRIEF,
    "project/management/commands/serve.py _run_task": BRIEF,
    "project/tasks.py start": "the mechanism",
    "project/tasks.py supervise": "the mechanism",
}
CREATORS = ("create_task", "ensure_future", "start", "Thread")


def creations(node: ast.AST, function: str = "") -> Iterator[str]:
    """Yield the names of the functions below `node` that create a task or a thread."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from creations(child, child.name if is_function else function)  # type: ignore[attr-defined]
        if isinstance(child, ast.Call):
            called = child.func
            is_bare = isinstance(called, ast.Name)
            name = called.id if is_bare else getattr(called, "attr", "")  # type: ignore[attr-defined]
            if name in CREATORS and (is_bare or name != "start"):
                yield function


def test_every_task_and_thread_is_supervised_or_has_a_reason_not_to_be() -> None:
    found = {
        f"{path.relative_to(ROOT)} {function}"
        for room in ("project", "cameras", "chats")
        for path in (ROOT / room).rglob("*.py")
        for function in creations(ast.parse(path.read_text()))
    }
    assert found == UNSUPERVISED.keys()
