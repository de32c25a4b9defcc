"""Many come and go at once: few transactions, no waiting loop; and nobody watches unrecorded."""

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
from project.audit.askers import Requester
from project.audit.log import Action
from project.audit.open_views import View
from project.audit.view_log import ViewLog, ViewNotRecorded
from tests.installation import Installation
from tests.people import assemble
from tests.project.audit.reading import entries, open_views
from tests.waiting import soon, until

CROWD = 1000
CLUB = 60


class Tables:
    """Takes the place of the database: counts transactions, which take 50 ms each, and may fail."""

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
    made = Tables()
    monkeypatch.setattr(view_log, "record", made.record)
    monkeypatch.setattr(database_threads, "close_old_connections", lambda: None)
    monkeypatch.setattr(view_log, "RETRY_S", 0.05)
    return made


@contextlib.asynccontextmanager
async def kept() -> AsyncIterator[ViewLog]:
    book = ViewLog()
    task = asyncio.create_task(book.run())
    try:
        yield book
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _begin(book: ViewLog) -> Any:
    return book.begin(Requester(), Camera(name="Gate"), Action.WATCH)


async def crowd_comes_and_goes(tables: Tables) -> None:
    async with kept() as book:
        views = await asyncio.gather(*(_begin(book) for _ in range(CROWD)))
        for view in views:
            book.end(view)
            book.end(view)
        await soon(lambda: sum(ended for _, ended in tables.batches) >= CROWD, 60)


async def test_a_thousand_who_come_at_once_share_a_few_transactions(tables: Tables) -> None:
    await crowd_comes_and_goes(tables)
    assert sum(begun for begun, _ in tables.batches) == CROWD
    assert len(tables.batches) <= 4


@pytest.mark.timing
async def test_a_thousand_who_come_at_once_do_not_hold_up_the_loop(tables: Tables) -> None:
    longest, watched = 0.0, True

    async def watch_the_loop() -> None:
        nonlocal longest
        while watched:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    watching = asyncio.create_task(watch_the_loop())
    await crowd_comes_and_goes(tables)
    watched = False
    await watching
    assert longest < 0.2


@pytest.mark.timing
async def test_who_trickles_in_takes_twenty_transactions_a_second_at_most(tables: Tables) -> None:
    began = time.monotonic()
    async with kept() as book:
        for _ in range(10):
            book.end(await _begin(book))
    assert len(tables.batches) <= 1 + 20 * (time.monotonic() - began)


async def test_nobody_gets_in_who_cannot_be_written_down(tables: Tables) -> None:
    async with kept() as book:
        inside = await _begin(book)
        tables.failing = True
        with pytest.raises(ViewNotRecorded):
            await _begin(book)
        book.end(inside)
        with pytest.raises(ViewNotRecorded):
            await _begin(book)
        tables.failing = False
        await _begin(book)
        assert sum(ended for _, ended in tables.batches) == 1, "the end that could not be written"


async def test_who_leaves_while_being_written_down_is_written_down(tables: Tables) -> None:
    async with kept() as book:
        joining = asyncio.create_task(_begin(book))
        await asyncio.sleep(0)
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        await soon(lambda: sum(ended for _, ended in tables.batches), 60)
    assert sum(begun for begun, _ in tables.batches) == 1


async def test_closing_writes_all_that_is_open_and_lets_nobody_in(tables: Tables) -> None:
    async with kept() as book:
        await asyncio.gather(*(_begin(book) for _ in range(3)))
        joining = asyncio.create_task(_begin(book))
        await asyncio.sleep(0)
        await book.close()
        await joining
        with pytest.raises(ViewNotRecorded):
            await _begin(book)
    assert sum(ended for _, ended in tables.batches) == 4


async def crowd_watches(installation: Installation, name: str) -> list[float]:
    """Sixty join within a moment, and are on record; seconds between frames of who watches
    meanwhile."""
    cast = await asyncio.to_thread(assemble, installation, name)
    came_at = datetime.now(UTC)
    address = f"ws://127.0.0.1:{installation.port}/ws/stream/{cast.key}"
    how: dict[str, Any] = {
        "max_size": None,
        "compression": None,
        "proxy": None,
        "open_timeout": 60,
        "ping_interval": None,
    }
    gaps: list[float] = []
    newest = 0

    def ours(rows: Any) -> list[dict[str, Any]]:
        """Those of them that are not of tests before."""
        return [row for row in rows(installation, cast.plaza) if row["started_at"] > came_at]

    async def watch(socket: Any) -> None:
        nonlocal newest
        while True:
            began = time.monotonic()
            newest = json.loads(await socket.recv())["timestamp"]
            gaps.append(time.monotonic() - began)

    async with connect(address, **how) as early:
        await early.recv()
        watching = asyncio.create_task(watch(early))
        came = await asyncio.gather(
            *(connect(address, **how) for _ in range(CLUB)), return_exceptions=True
        )
        crowd = [one for one in came if not isinstance(one, BaseException)]
        try:
            assert len(crowd) == CLUB, [one for one in came if one not in crowd][:3]
            await asyncio.gather(*(socket.recv() for socket in crowd))
            here = time.time() * 1000
            await soon(lambda: newest > here, 60)
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
async def test_a_real_crowd_is_all_on_record_and_the_picture_goes_on(
    installation: Installation,
) -> None:
    assert await crowd_watches(installation, "crowd")


@pytest.mark.timing
async def test_a_crowd_that_joins_holds_no_picture_up(installation: Installation) -> None:
    gaps = await crowd_watches(installation, "timed-crowd")
    print(f"longest gap between frames {max(gaps) * 1000:.0f} ms of {len(gaps)}")
    assert max(gaps) < 2.0
