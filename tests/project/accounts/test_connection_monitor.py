"""The connection monitor goes on when the database or one connection fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import pytest
from django.db import OperationalError
from psycopg.errors import DiskFull

from project.accounts import connection_monitor
from project.accounts.access import ConnectionGrant
from project.accounts.connection_monitor import ConnectionMonitor
from project.accounts.credentials import Credential
from project.tasks import end
from tests.waiting import until_async


@asynccontextmanager
async def running(monitor: ConnectionMonitor) -> AsyncGenerator[None, None]:
    task = asyncio.create_task(monitor.run())
    yield
    await end(task)


async def test_failed_renewal_does_not_keep_a_revoked_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewals: list[set[Credential]] = []
    kept, revoked = (ConnectionGrant(Credential("ticket", name), "read") for name in "ab")
    withdrawn: dict[ConnectionGrant, int] = {}

    def renew(credentials: Iterable[Credential]) -> None:
        renewals.append(set(credentials))
        raise OperationalError("disk full") from DiskFull()

    monkeypatch.setattr(connection_monitor, "INTERVAL_S", 0.01)
    monkeypatch.setattr(connection_monitor, "RENEWAL_S", 0.0)
    monkeypatch.setattr(connection_monitor, "revoked_grants", lambda _: withdrawn)
    monkeypatch.setattr(connection_monitor, "renew_credentials", renew)
    monitor, closed = ConnectionMonitor(), list[int]()
    for grant in (kept, revoked):
        monitor.watch(object(), grant, closed.append)
    async with running(monitor):
        await until_async(lambda: len(renewals) > 2, 20)
        withdrawn[revoked] = 4401
        await until_async(lambda: closed == [4401], 20)
        await until_async(lambda: renewals[-1] == {kept.credential}, 20)


async def test_connection_that_cannot_be_closed_keeps_no_other_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (ConnectionGrant(Credential("ticket", name), "read") for name in "ab")
    closed: list[int] = []

    def fail(code: int) -> None:
        raise RuntimeError("one that cannot be closed")

    monkeypatch.setattr(connection_monitor, "INTERVAL_S", 0.01)
    monkeypatch.setattr(connection_monitor, "revoked_grants", lambda _: {first: 4401, second: 4403})
    monitor = ConnectionMonitor()
    monitor.watch(object(), first, fail)
    monitor.watch(object(), second, closed.append)
    async with running(monitor):
        await until_async(lambda: closed, 20)
        third = ConnectionGrant(Credential("ticket", "c"), "read")
        monkeypatch.setattr(connection_monitor, "revoked_grants", lambda _: {third: 4401})
        monitor.watch(object(), third, closed.append)
        await until_async(lambda: len(closed) == 2, 20)
    assert closed == [4403, 4401]
    assert caplog.text.count("could not be closed") == 1
