"""Many come and go at once: few transactions, no waiting loop; and nobody watches unrecorded."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from websockets.asyncio.client import connect

from cameras.audit import Action, logbook
from cameras.audit.askers import Asker
from cameras.audit.logbook import Logbook, NotRecorded
from cameras.audit.viewings import View
from cameras.models import Camera
from tests.cameras.audit.reading import ask, entries, open_views
from tests.installation import Installation
from tests.people import assemble
from tests.waiting import until

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
    monkeypatch.setattr(logbook, "record", made.record)
    monkeypatch.setattr(logbook, "close_old_connections", lambda: None)
    monkeypatch.setattr(logbook, "RETRY_S", 0.05)
    return made


@contextlib.asynccontextmanager
async def kept() -> AsyncIterator[Logbook]:
    book = Logbook()
    task = asyncio.create_task(book.keep())
    try:
        yield book
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _begin(book: Logbook) -> Any:
    return book.begin(Asker(), Camera(name="Gate"), Action.WATCH)


async def test_a_thousand_who_come_at_once_share_a_few_transactions(tables: Tables) -> None:
    longest, watched = 0.0, True

    async def watch_the_loop() -> None:
        nonlocal longest
        while watched:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    async with kept() as book:
        watching = asyncio.create_task(watch_the_loop())
        views = await asyncio.gather(*(_begin(book) for _ in range(CROWD)))
        for view in views:
            book.end(view)
            book.end(view)
        while sum(ended for _, ended in tables.batches) < CROWD:
            await asyncio.sleep(0.01)
        watched = False
        await watching
    assert sum(begun for begun, _ in tables.batches) == CROWD
    assert len(tables.batches) <= 4
    assert longest < 0.2


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
        with pytest.raises(NotRecorded):
            await _begin(book)
        book.end(inside)
        with pytest.raises(NotRecorded):
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
        while not sum(ended for _, ended in tables.batches):
            await asyncio.sleep(0.01)
    assert sum(begun for begun, _ in tables.batches) == 1


async def test_closing_writes_all_that_is_open_and_lets_nobody_in(tables: Tables) -> None:
    async with kept() as book:
        await asyncio.gather(*(_begin(book) for _ in range(3)))
        joining = asyncio.create_task(_begin(book))
        await asyncio.sleep(0)
        await book.close()
        await joining
        with pytest.raises(NotRecorded):
            await _begin(book)
    assert sum(ended for _, ended in tables.batches) == 4


async def test_a_real_crowd_is_all_on_record_and_the_picture_goes_on(house: Installation) -> None:
    """Sixty join within a moment; who watches meanwhile gets frames."""
    cast = await asyncio.to_thread(assemble, house, "crowd")
    address = f"ws://127.0.0.1:{house.port}/ws/stream/{cast.key}"
    how: dict[str, Any] = {
        "max_size": None,
        "compression": None,
        "proxy": None,
        "open_timeout": 60,
        "ping_interval": None,
    }
    gaps: list[float] = []

    async def watch(socket: Any) -> None:
        while True:
            before = time.monotonic()
            await socket.recv()
            gaps.append(time.monotonic() - before)

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
            rows = await asyncio.to_thread(open_views, house, cast.plaza)
            assert sum(row["who"] == "stream key “test”" for row in rows) == CLUB + 1
        finally:
            for socket in crowd:
                socket.transport.abort()
            await asyncio.gather(*(socket.wait_closed() for socket in crowd))
        await asyncio.to_thread(until, lambda: len(entries(house, cast.plaza)) >= CLUB, 20)
        watching.cancel()
    print(f"longest gap between frames {max(gaps) * 1000:.0f} ms of {len(gaps)}")
    assert max(gaps) < 2.0
    (doubled,) = await asyncio.to_thread(
        ask, house, "SELECT COUNT(*) - COUNT(DISTINCT started_at) AS n FROM cameras_auditentry "
        "WHERE action = 'watch'",
    )  # fmt: skip
    assert doubled["n"] == 0, "each view once"
