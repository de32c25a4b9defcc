"""The view log under load: few transactions, no blocked loop, and no unrecorded viewer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.asyncio.client import connect

from cameras.models import Camera
from project import database_threads
from project.audit import view_log
from project.audit.log import Action
from project.audit.open_views import View
from project.audit.requesters import Requester
from project.audit.view_log import ViewLog, ViewNotRecorded
from tests.installation import Installation
from tests.people import create_scenario
from tests.project.audit.reading import entries, open_views
from tests.waiting import until, until_async

CROWD = 1000
CLUB = 60


class Tables:
    """Stands in for the database: counts transactions of 50 ms each, which can fail."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []
        self.failing = False

    def record(self, begun: Sequence[View], ended: Sequence[View]) -> None:
        time.sleep(0.05)
        assert threading.current_thread().name.startswith("audit")
        if self.failing:
            raise OSError("no space left")
        self.batches.append((len(begun), len(ended)))


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    tables = Tables()
    monkeypatch.setattr(view_log, "record", tables.record)
    monkeypatch.setattr(database_threads, "close_old_connections", lambda: None)
    monkeypatch.setattr(view_log, "RETRY_S", 0.05)
    return tables


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[ViewLog]:
    log = ViewLog()
    task = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _begin(log: ViewLog) -> Any:
    return log.begin(Requester(), Camera(name="Gate"), Action.WATCH)


async def crowd_joins_and_leaves(tables: Tables) -> None:
    async with running() as log:
        views = await asyncio.gather(*(_begin(log) for _ in range(CROWD)))
        for view in views:
            log.end(view)
            log.end(view)
        await until_async(lambda: sum(ended for _, ended in tables.batches) >= CROWD, 60)


async def test_thousand_concurrent_viewers_share_a_few_transactions(tables: Tables) -> None:
    await crowd_joins_and_leaves(tables)
    assert sum(begun for begun, _ in tables.batches) == CROWD
    assert len(tables.batches) <= 4


@pytest.mark.timing
async def test_thousand_concurrent_viewers_do_not_block_the_loop(tables: Tables) -> None:
    longest, watched = 0.0, True

    async def watch_the_loop() -> None:
        nonlocal longest
        while watched:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    watching = asyncio.create_task(watch_the_loop())
    await crowd_joins_and_leaves(tables)
    watched = False
    await watching
    assert longest < 0.2


@pytest.mark.timing
async def test_single_viewers_cost_at_most_twenty_transactions_a_second(tables: Tables) -> None:
    began = time.monotonic()
    async with running() as log:
        for _ in range(10):
            log.end(await _begin(log))
    assert len(tables.batches) <= 1 + 20 * (time.monotonic() - began)


async def test_viewer_is_refused_if_the_view_cannot_be_stored(tables: Tables) -> None:
    async with running() as log:
        earlier = await _begin(log)
        tables.failing = True
        with pytest.raises(ViewNotRecorded):
            await _begin(log)
        log.end(earlier)
        with pytest.raises(ViewNotRecorded):
            await _begin(log)
        tables.failing = False
        await _begin(log)
        assert sum(ended for _, ended in tables.batches) == 1, (
            "the end that could not be written before"
        )


async def test_viewer_who_leaves_while_being_stored_is_logged(tables: Tables) -> None:
    async with running() as log:
        joining = asyncio.create_task(_begin(log))
        await asyncio.sleep(0)
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        await until_async(lambda: sum(ended for _, ended in tables.batches), 60)
    assert sum(begun for begun, _ in tables.batches) == 1


async def test_close_writes_open_views_and_refuses_new_ones(tables: Tables) -> None:
    async with running() as log:
        await asyncio.gather(*(_begin(log) for _ in range(3)))
        joining = asyncio.create_task(_begin(log))
        await asyncio.sleep(0)
        await log.close()
        await joining
        with pytest.raises(ViewNotRecorded):
            await _begin(log)
    assert sum(ended for _, ended in tables.batches) == 4


async def crowd_watches(installation: Installation, name: str) -> list[float]:
    """Let sixty viewers join at once; return the gaps (s) between frames of an earlier viewer."""
    scenario = await asyncio.to_thread(create_scenario, installation, name)
    started_at = datetime.now(UTC)
    address = f"ws://127.0.0.1:{installation.port}/ws/stream/{scenario.key}"
    options: dict[str, Any] = {
        "max_size": None,
        "compression": None,
        "proxy": None,
        "open_timeout": 60,
        "ping_interval": None,
    }
    gaps: list[float] = []
    newest = 0

    def ours(rows: Any) -> list[dict[str, Any]]:
        """Return the rows that are not from earlier tests."""
        return [row for row in rows(installation, scenario.plaza) if row["started_at"] > started_at]

    async def watch(socket: Any) -> None:
        nonlocal newest
        while True:
            began = time.monotonic()
            newest = json.loads(await socket.recv())["timestamp"]
            gaps.append(time.monotonic() - began)

    async with connect(address, **options) as early:
        await early.recv()
        watching = asyncio.create_task(watch(early))
        joined = await asyncio.gather(
            *(connect(address, **options) for _ in range(CLUB)), return_exceptions=True
        )
        crowd = [one for one in joined if not isinstance(one, BaseException)]
        try:
            assert len(crowd) == CLUB, [one for one in joined if one not in crowd][:3]
            await asyncio.gather(*(socket.recv() for socket in crowd))
            here = time.time() * 1000
            await until_async(lambda: newest > here, 60)
            rows = await asyncio.to_thread(ours, open_views)
            assert [row["who"] for row in rows] == ["stream key “test”"] * (CLUB + 1)
        finally:
            for socket in crowd:
                socket.transport.abort()
            await asyncio.gather(*(socket.wait_closed() for socket in crowd))
        await asyncio.to_thread(until, lambda: len(ours(entries)) >= CLUB, 60)
        watching.cancel()
    await asyncio.to_thread(until, lambda: not ours(open_views), 60)
    found = await asyncio.to_thread(ours, entries)
    assert len({entry["started_at"] for entry in found}) == len(found) == CLUB + 1, "each once"
    return gaps


@pytest.mark.postgres
async def test_crowd_is_recorded_while_frames_continue(
    installation: Installation,
) -> None:
    assert await crowd_watches(installation, "crowd")


@pytest.mark.timing
async def test_joining_crowd_does_not_delay_frames(installation: Installation) -> None:
    gaps = await crowd_watches(installation, "timed-crowd")
    print(f"longest gap between frames {max(gaps) * 1000:.0f} ms of {len(gaps)}")
    assert max(gaps) < 2.0
