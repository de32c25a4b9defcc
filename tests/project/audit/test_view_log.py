"""The view log under load: few transactions, no blocked loop, and no unrecorded viewer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.asyncio.client import connect

from cameras.models import Camera
from project.accounts.credentials import Credential
from project.audit import recent_views, view_log
from project.audit.log import Action
from project.audit.open_views import View
from project.audit.recent_views import RecentViews
from project.audit.requesters import Requester
from project.audit.view_log import ServerIsStopping, ViewLog, ViewNotRecorded
from project.database import threads
from tests.installation import Installation
from tests.people import create_scenario
from tests.project.audit.reading import open_views
from tests.waiting import until, until_async

CROWD = 1000
CLUB = 60


class Tables:
    """Stands in for the database: counts transactions of 50 ms each, which can fail."""

    def __init__(self) -> None:
        self.batches: list[dict[View, int]] = []
        self.failing = False

    def store(self, openings: Mapping[View, int]) -> None:
        time.sleep(0.05)
        assert threading.current_thread().name.startswith("audit")
        if self.failing:
            raise OSError("no space left")
        self.batches.append(dict(openings))

    @property
    def openings(self) -> int:
        return sum(sum(batch.values()) for batch in self.batches)

    def writes_of(self, view: View) -> int:
        return sum(view in batch for batch in self.batches)


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    tables = Tables()
    monkeypatch.setattr(recent_views, "store", tables.store)
    monkeypatch.setattr(view_log, "write_unlisted", lambda _=False: None)
    monkeypatch.setattr(threads, "close_old_connections", lambda: None)
    monkeypatch.setattr(view_log, "RETRY_S", 0.05)
    return tables


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[ViewLog]:
    log = ViewLog(RecentViews())
    task = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _view(key: object = "") -> View:
    requester = Requester(None, Credential("token", str(key)))
    return View.of(requester, Camera(name="Gate"), Action.WATCH)


async def crowd_joins_and_leaves(tables: Tables) -> None:
    views = [_view(number) for number in range(CROWD)]
    async with running() as log:
        await asyncio.gather(*(log.begin(view) for view in views))
        for view in views:
            log.end(view)
        await until_async(lambda: all(tables.writes_of(view) == 2 for view in views), 60)


async def test_thousand_concurrent_viewers_share_a_few_transactions(tables: Tables) -> None:
    await crowd_joins_and_leaves(tables)
    assert tables.openings == CROWD
    assert len(tables.batches) <= 4


async def test_thousand_openings_of_one_viewer_wait_for_one_write(tables: Tables) -> None:
    view = _view()
    async with running() as log:
        await log.begin(view)
        before = len(tables.batches)
        for _ in range(CROWD):
            await log.begin(view)
        assert len(tables.batches) == before
        await log.close()
    assert tables.openings == CROWD + 1


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
        for number in range(10):
            view = _view(number)
            await log.begin(view)
            log.end(view)
    assert len(tables.batches) <= 1 + 20 * (time.monotonic() - began)


async def test_viewer_is_refused_if_the_view_cannot_be_stored(tables: Tables) -> None:
    known, refused = _view("known"), _view("refused")
    async with running() as log:
        await log.begin(known)
        tables.failing = True
        with pytest.raises(ViewNotRecorded):
            await log.begin(refused)
        log.end(known)
        with pytest.raises(ViewNotRecorded):
            await log.begin(refused)
        tables.failing = False
        await log.begin(refused)
        await log.close()
    assert tables.openings == 2, "those that were refused are not counted"
    assert tables.writes_of(known) == 2, "its end could not be written before"


async def test_viewer_who_leaves_while_being_stored_is_logged(tables: Tables) -> None:
    view = _view()
    async with running() as log:
        joining = asyncio.create_task(log.begin(view))
        await asyncio.sleep(0)
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        await until_async(lambda: tables.writes_of(view), 60)
    assert tables.openings == 1


async def test_close_writes_open_views_and_refuses_new_ones(tables: Tables) -> None:
    views = [_view(number) for number in range(4)]
    async with running() as log:
        await asyncio.gather(*(log.begin(view) for view in views[:3]))
        joining = asyncio.create_task(log.begin(views[3]))
        await asyncio.sleep(0)
        await log.close()
        await joining
        with pytest.raises(ServerIsStopping):
            await log.begin(_view("late"))
    assert tables.openings == 4
    assert all(tables.writes_of(view) == 2 for view in views[:3]), "the end, too"


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
            row = await asyncio.to_thread(_view_since, installation, scenario.plaza, started_at)
            assert row["who"] == "stream key “test”"
        finally:
            for socket in crowd:
                socket.transport.abort()
            await asyncio.gather(*(socket.wait_closed() for socket in crowd))
        watching.cancel()

    def counted() -> bool:
        openings: int = _view_since(installation, scenario.plaza, started_at)["openings"]
        return openings == CLUB + 1

    await asyncio.to_thread(until, counted, 60)
    return gaps


def _view_since(installation: Installation, camera: str, since: datetime) -> dict[str, Any]:
    """Return the only view of the camera that began after `since`: not one of earlier tests."""
    (row,) = [row for row in open_views(installation, camera) if row["started_at"] > since]
    return row


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
