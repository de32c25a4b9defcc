"""A Redis that hangs: its connections stay open, and nothing is answered."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from cameras.ingest import configurations
from cameras.ingest.leases import locks, shared
from cameras.ingest.leases.shared import RedisLeases
from cameras.ingest.redis_link import RedisLink
from cameras.ingest.worker_process import SILENCE_S
from cameras.live import demand
from cameras.live.redis_clients import TIMEOUT_S
from project.settings.shared_stores import channel_layers
from tests.cameras.ingest.supervised import configuration, supervised
from tests.cameras.redis_viewer import Web
from tests.redis import RedisServer
from tests.waiting import until_async
from tests.wire import Wire


@pytest.mark.extended
async def test_workers_survive_a_redis_that_hangs_and_viewers_resume(
    fences: Any, redis: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_LAYERS = channel_layers(settings.REDIS_URL)
    web = Web()
    tasks = [asyncio.create_task(web.watch()), asyncio.create_task(web.want())]
    try:
        async with supervised(monkeypatch, RedisLeases(), RedisLink()) as (supervisor, _):
            every = {pk: configuration() | {"camera": pk} for pk in ("c", "d", "e")}
            monkeypatch.setattr(configurations, "load_configurations", lambda: every)
            await until_async(lambda: len(web.frames) > 5 and len(supervisor.workers) == 3, 60)
            workers = dict(supervisor.workers)
            await until_async(lambda: all(each._link for each in workers.values()), 60)
            redis.freeze()
            try:
                long = time.monotonic() + SILENCE_S + 2 * TIMEOUT_S + 1
                await until_async(lambda: time.monotonic() > long)
            finally:
                redis.thaw()
            count = len(web.frames)
            await until_async(lambda: len([f for f in web.frames[count:] if f.is_fresh]) > 5, 60)
            assert supervisor.workers == workers, "none was replaced"
            assert "offline" not in web.states
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_calls_of_a_web_process_fail_when_redis_hangs(
    redis: RedisServer, settings: Any
) -> None:
    settings.REDIS_URL = redis.url
    link = demand.RedisIngestLink()
    pushed = ("c", 1, b"jpeg", time.monotonic())
    assert await link.push(*pushed) is demand.Verdict.STARTING, "none listens yet"
    redis.freeze()
    try:
        async with asyncio.timeout(60):
            assert await link.push(*pushed) is demand.Verdict.BUSY
            with pytest.raises((demand.redis.RedisError, OSError)):
                await link.send_demand({})
    finally:
        redis.thaw()
        await link._client.aclose()


async def test_process_that_redis_does_not_reach_leaves_a_camera_that_another_took(
    fences: Any, redis: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writes are refused by then, for the other one has a higher fence."""
    monkeypatch.setattr(shared, "RENEW_S", 0.1)
    for module in (shared, locks):
        monkeypatch.setattr(module, "LEASE_TTL_S", 0.5)
    monkeypatch.setattr("cameras.ingest.leases.members.TTL_S", 0.4)
    with Wire(redis.port).running() as wire:
        direct, settings.REDIS_URL = settings.REDIS_URL, f"redis://127.0.0.1:{wire.port}/1"
        first = RedisLeases()
        settings.REDIS_URL = direct
        second = RedisLeases()
        for one in (first, second):
            one.set_cameras({"c"})
        tasks = [asyncio.create_task(first.run())]
        try:
            await until_async(lambda: first.fence("c") == 1, 60)
            tasks.append(asyncio.create_task(second.run()))
            wire.cut()
            await until_async(lambda: second.fence("c") == 2, 60)
            assert first.fence("c") == 1, "as long as nobody says that it was taken"
            first.report_stale_fence("c", 1)
            assert first.fence("c") is None
            assert [*first.leaving] == ["c"]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await first.close()
            await second.close()
