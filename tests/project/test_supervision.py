"""Each long-lived task fails once, is started again, and works."""

from __future__ import annotations

import ast
import asyncio
import re
import socket
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import iscoroutinefunction
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from channels_redis.utils import create_pool
from prometheus_client import Histogram

from cameras.ingest import child
from cameras.ingest.child import IngestChild
from cameras.ingest.leases import embedded
from cameras.ingest.leases.shared import RedisLeases
from cameras.ingest.redis_link import RedisLink
from cameras.ingest.state_writer import StateWriter
from cameras.ingest.supervisor import Supervisor
from cameras.ingest.worker_process import WorkerProcess
from cameras.live import demand, hub, redis_layer, services
from cameras.live.formats import PreparedFrame
from cameras.live.frames import Status
from cameras.live.hub import Feed, Hub, Viewer
from cameras.live.redis_layer import Shard
from cameras.live.variants import Variant
from cameras.management.commands import ingest
from chats.generations import log, notifications, runner
from chats.generations.buffer import Buffer
from chats.generations.log import LogWriter
from chats.generations.log_reader import LogReader
from chats.generations.runner import Runner
from project import housekeeping, metrics, tasks
from project.accounts import connection_monitor
from project.accounts.connection_monitor import ConnectionMonitor
from project.audit.view_log import ViewLog
from project.management.commands import serve
from project.tasks import end, restarts, start
from tests import ROOT
from tests.cameras.ingest.supervised import supervised
from tests.waiting import until_async

Install = Callable[[], None]  # puts the failing step in place, before the loops start
Run = Callable[[pytest.MonkeyPatch, Install], AbstractAsyncContextManager[None]]


class FailsOnce:
    """A step of a loop: raises at the first call, then calls `works`."""

    def __init__(self, works: Callable[..., Any]) -> None:
        self.calls = 0
        self._works = works

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        if self.calls > 1:
            return self._works()
        if iscoroutinefunction(self._works):
            return self._fail()
        raise RuntimeError("once")

    async def _fail(self) -> None:
        raise RuntimeError("once")


async def pause() -> None:
    await asyncio.sleep(0.01)


async def written() -> bool:
    return True


async def claimed() -> dict[str, int]:
    return {}


def pool() -> Any:
    return create_pool({"address": "redis://127.0.0.1:1"})


async def forever(*arguments: object, **named: object) -> None:
    await asyncio.Event().wait()


def nothing(*arguments: object) -> None: ...


def paused(*arguments: object) -> Any:
    return pause()


async def source(camera: str, width: int) -> AsyncGenerator[Status, None]:
    yield Status("live", 1)
    await asyncio.Event().wait()


class WebLink:
    """A link to ingest."""

    async def send_demand(self, demand: object) -> None: ...


@asynccontextmanager
async def hub_runs(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    case.setattr(hub, "CHECK_S", 0.01)
    install()
    every = Hub(source, PreparedFrame)
    every.join("c", lambda feed: Viewer(feed, Variant()))
    yield
    await every.close()


@asynccontextmanager
async def services_run(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    known = asyncio.all_tasks()
    for name in ("_hub", "_connection_monitor", "_view_log"):
        case.setattr(services, name, None)
    case.setattr(services, "_ingest_link", WebLink())
    case.setattr(demand, "REPEAT_S", 0.01)
    case.setattr(connection_monitor, "INTERVAL_S", 0.01)
    case.setattr(connection_monitor, "revoked_grants", lambda grants: {})
    case.setattr(ViewLog, "_until_heartbeat", lambda self: 0.01)
    install()
    services.hub()
    services.connection_monitor().watch("a connection", "its grant", nothing)  # type: ignore[arg-type]
    services.view_log()
    yield
    await end(*asyncio.all_tasks() - known)


@asynccontextmanager
async def runner_runs(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    case.setattr(runner.settings, "REDIS_URL", "redis://127.0.0.1:1")
    case.setattr(runner, "REAP_S", 0.01)
    case.setattr(runner, "PING_CHECK_S", 0.01)
    case.setattr(log, "HEARTBEAT_S", 0.01)
    case.setattr(runner, "reap", list)
    case.setattr(LogWriter, "_store", paused)
    case.setattr(LogReader, "_wait", paused)
    case.setattr(notifications, "get_channel_layer", InMemoryChannelLayer)
    install()
    every = Runner()
    every.buffers[uuid.uuid4()] = Buffer(uuid.uuid4(), uuid.uuid4())
    every.open()
    yield
    await end(*every._background)


@asynccontextmanager
async def metrics_run(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    case.setattr(metrics, "start_http_server", nothing)
    case.setattr(metrics, "LAG_INTERVAL_S", 0.01)
    install()
    task = start(metrics.expose(("127.0.0.1", 1)), "metrics")
    yield
    await end(task)


@asynccontextmanager
async def serve_runs(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    known = asyncio.all_tasks()
    case.setattr(child, "start_process", forever)
    case.setattr(housekeeping, "INTERVAL_S", 0.01)
    case.setattr(housekeeping, "run_jobs", paused)
    install()
    serve._supervise(housekeeping.run, "housekeeping")
    serve._supervise(IngestChild().run, "ingest process")
    yield
    await end(*asyncio.all_tasks() - known)


@asynccontextmanager
async def ingest_runs(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    case.setattr(WorkerProcess, "_run", lambda self: forever())
    async with supervised(case) as (supervisor, _):
        install()
        for camera in ("a", "b"):
            supervisor._state_writer.put_state({"camera": camera, "fence": 1})
        yield


@asynccontextmanager
async def reports_run(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    async def run(self: Supervisor, link: object) -> None:
        await forever()

    async def from_socket(inherited: socket.socket) -> None:
        inherited.close()

    case.setattr(Supervisor, "run", run)
    case.setattr(ingest.SocketLink, "from_socket", from_socket)
    install()
    task = start(ingest._ingest(socket.socket().detach()), "ingest")
    yield
    await end(task)


@asynccontextmanager
async def leases_run(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    for name in ("_unlock", "_renew_all", "_settle_offers", "_take_over", "_balance"):
        case.setattr(RedisLeases, name, paused)
    case.setattr(runner.settings, "REDIS_URL", "redis://127.0.0.1:1")
    install()
    leases = RedisLeases()
    for _ in range(2):
        leases._released.put_nowait(None)  # type: ignore[arg-type]
    task = start(leases.run(), "leases")
    yield
    await end(task)


@asynccontextmanager
async def redis_link_runs(case: pytest.MonkeyPatch, install: Install) -> AsyncGenerator[None, None]:
    case.setattr(runner.settings, "REDIS_URL", "redis://127.0.0.1:1")
    for name in ("_listen", "_publish"):
        case.setattr(RedisLink, name, lambda self: forever())
    install()
    received = RedisLink().receive()
    await anext(received)
    yield
    await received.aclose()


@asynccontextmanager
async def channel_layer_runs(
    case: pytest.MonkeyPatch, install: Install
) -> AsyncGenerator[None, None]:
    install()
    shard = Shard({"address": "redis://127.0.0.1:1"}, None)  # type: ignore[arg-type]
    await shard.subscribe("c")
    yield
    assert shard._receive_task is not None
    await end(shard._receive_task)


CASES: list[tuple[str, object, str, Callable[..., Any], Run]] = [
    ("feed", Feed, "_receive", nothing, hub_runs),
    ("feed checks", Hub, "_check_feeds", nothing, hub_runs),
    ("demand", WebLink, "send_demand", pause, services_run),
    ("connection monitor", ConnectionMonitor, "_renew", pause, services_run),
    ("view log", ViewLog, "_write", written, services_run),
    ("channel layer", redis_layer, "create_pool", pool, channel_layer_runs),
    ("answer log", LogWriter, "_store", pause, runner_runs),
    ("answer log reader", LogReader, "_read_followed", pause, runner_runs),
    ("answer reaper", runner, "reap", list, runner_runs),
    ("answer pings", Runner, "_ping", nothing, runner_runs),
    (
        "answer notifications",
        notifications,
        "get_channel_layer",
        InMemoryChannelLayer,
        runner_runs,
    ),
    ("event loop lag", Histogram, "observe", nothing, metrics_run),
    ("housekeeping", housekeeping, "run_jobs", pause, serve_runs),
    ("ingest process", child, "start_process", forever, serve_runs),
    ("restart reports", ingest, "_report_restarts", forever, reports_run),
    ("worker", WorkerProcess, "_run", forever, ingest_runs),
    ("state writer", StateWriter, "_write_next", pause, ingest_runs),
    ("leases", embedded, "claim", claimed, ingest_runs),
    ("lease changes", Supervisor, "_tend_standbys", pause, ingest_runs),
    ("camera polls", Supervisor, "_poll", pause, ingest_runs),
    ("lease releases", RedisLeases, "_unlock", pause, leases_run),
    ("lease renewals", RedisLeases, "_renew_all", pause, leases_run),
    ("lease balancing", RedisLeases, "_balance", pause, leases_run),
    ("ingest inbox", RedisLink, "_listen", forever, redis_link_runs),
    ("ingest outbox", RedisLink, "_publish", forever, redis_link_runs),
]


@pytest.mark.parametrize(("task", "owner", "name", "works", "runs"), CASES)
async def test_loop_that_failed_works_again(
    task: str,
    owner: object,
    name: str,
    works: Callable[..., Any],
    runs: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tasks, "PAUSE_S", 0.01)
    step, before = FailsOnce(works), restarts[task]
    async with runs(monkeypatch, lambda: monkeypatch.setattr(owner, name, step)):
        await until_async(lambda: step.calls > 1, 30)
    assert restarts[task] == before + 1
    assert any("starting" in record.getMessage() and record.exc_info for record in caplog.records)


NAMING = re.compile(r"_?supervise\w*\(|reactor\.callWhenRunning\(|runs\b|restarts\[")


def supervised_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of the tasks that a module has supervised."""
    for node in ast.walk(tree):
        is_naming = isinstance(node, ast.Call | ast.Assign | ast.AnnAssign | ast.AugAssign)
        if is_naming and NAMING.match(ast.unparse(node)):
            for each in ast.walk(node):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value


def test_every_supervised_task_is_tested_here_and_explained_to_operators() -> None:
    found = {
        name
        for room in ("project", "cameras", "chats")
        for path in (ROOT / room).rglob("*.py")
        for name in supervised_names(ast.parse(path.read_text()))
    }
    found = {name for name in found if name.strip()}  # an f-string has a space
    assert found == {case[0] for case in CASES}
    text = (ROOT / "docs/operations.md").read_text()
    explained = re.findall(r"^\| (`.*?`) \|", text.partition("| task |")[2], re.MULTILINE)
    assert found == {name for cell in explained for name in re.findall("`(.*?)`", cell)}
