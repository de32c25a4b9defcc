"""The connection monitor keeps closing connections while the database cannot be written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import pytest

from project.accounts import connection_monitor
from project.accounts.access import ConnectionGrant
from project.accounts.connection_monitor import ConnectionMonitor
from project.accounts.credentials import Credential
from tests.waiting import until_async


async def test_failed_renewal_does_not_keep_a_revoked_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renewals: list[set[Credential]] = []
    kept, revoked = (ConnectionGrant(Credential("ticket", name), "read") for name in "ab")
    withdrawn: dict[ConnectionGrant, int] = {}

    def renew(credentials: Iterable[Credential]) -> None:
        renewals.append(set(credentials))
        raise OSError("disk full")

    monkeypatch.setattr(connection_monitor, "INTERVAL_S", 0.01)
    monkeypatch.setattr(connection_monitor, "RENEWAL_S", 0.0)
    monkeypatch.setattr(connection_monitor, "revoked_grants", lambda _: withdrawn)
    monkeypatch.setattr(connection_monitor, "renew_credentials", renew)
    monitor, closed = ConnectionMonitor(), list[int]()
    for grant in (kept, revoked):
        monitor.watch(object(), grant, closed.append)
    task = asyncio.create_task(monitor.run())
    try:
        await until_async(lambda: len(renewals) > 2, 20)
        withdrawn[revoked] = 4401
        await until_async(lambda: closed == [4401], 20)
        await until_async(lambda: renewals[-1] == {kept.credential}, 20)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
