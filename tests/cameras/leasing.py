"""Leases of one process in Redis, without a supervisor and without a database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from cameras.ingest.leases.members import Members
from cameras.ingest.leases.shared import POLL_S, RedisLeases
from cameras.live.redis_clients import connect
from project.tasks import end, start


async def check_stays_true_for_a_while(condition: Callable[[], object]) -> None:
    """Check that the condition stays true during a few polls of the leases."""
    for _ in range(20):
        assert condition()
        await asyncio.sleep(POLL_S / 5)


@contextlib.asynccontextmanager
async def leasing(*cameras: str) -> AsyncIterator[RedisLeases]:
    """A process's leases of these cameras, by default “c”, without its supervisor."""
    leases = RedisLeases()
    leases.set_cameras(cameras or {"c"})
    task = start(leases.run(), "leases")  # logs a failure
    try:
        yield leases
    finally:
        await end(task)
        await leases.close()


@contextlib.asynccontextmanager
async def an_idle_process(url: str) -> AsyncIterator[None]:
    """A process that is registered and takes no camera."""
    client = connect(url)
    idle = Members(client, "idle")

    async def call() -> None:
        while True:
            await idle.heartbeat()
            await asyncio.sleep(0.2)

    task = asyncio.create_task(call())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await idle.leave()
        await client.aclose()
