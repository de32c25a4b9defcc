"""Planned hand-overs of cameras between processes, mostly without their supervisors."""

from __future__ import annotations

import asyncio
import itertools
from itertools import pairwise
from typing import Any

import pytest

from cameras.ingest import configurations, state_writer, supervisor
from cameras.ingest.leases import handovers, shared
from cameras.ingest.leases.shared import RedisLeases
from cameras.ingest.redis_link import RedisLink
from cameras.ingest.supervisor import Supervisor
from project.settings.shared_stores import channel_layers
from project.tasks import end
from tests.cameras.ingest.supervised import configuration
from tests.cameras.leasing import an_idle_process, check_stays_true_for_a_while, leasing
from tests.cameras.redis_viewer import Web
from tests.waiting import until_async


async def offered_to(second: RedisLeases, first: RedisLeases) -> str:
    """Wait until a process answers an offer. Return the camera, which the holder still reads."""
    await until_async(lambda: second.takings, 60)
    (camera,) = second.takings
    assert first.fence(camera) is not None
    return camera


async def test_camera_above_the_share_is_taken_over_before_its_reader_stops(
    fences: itertools.count[int],
) -> None:
    async with leasing("c", "d") as first:
        await until_async(lambda: first.fence("c") and first.fence("d"), 60)
        async with leasing("c", "d") as second:
            camera = await offered_to(second, first)
            await check_stays_true_for_a_while(
                lambda: second.fence(camera) is None and first.fence(camera) and not first.leaving
            )
            former = first.fence(camera)
            second.report_ready(camera, is_open=True)
            await until_async(lambda: first.leaving, 60)
            assert [*first.leaving] == [camera]
            assert (second.fence(camera) or 0) > (former or 0), "it was published by then"
            first.release(camera)
            await check_stays_true_for_a_while(lambda: second.fence(camera) and not second.leaving)
            await until_async(lambda: not second.takings, 60)


async def test_camera_that_opens_only_once_is_released_first_to_the_process_that_waits(
    fences: itertools.count[int],
) -> None:
    async with leasing("c", "d") as first:
        await until_async(lambda: first.fence("c") and first.fence("d"), 60)
        async with leasing("c", "d") as second:
            camera = await offered_to(second, first)
            second.report_ready(camera, is_open=False)
            await until_async(lambda: first.leaving, 60)
            await check_stays_true_for_a_while(lambda: second.fence(camera) is None)
            first.release(camera)
            await until_async(lambda: second.fence(camera), 60)
            await until_async(lambda: not second.takings, 60)


async def test_camera_without_pictures_beside_its_reader_is_released_first(
    fences: itertools.count[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has room for one connection only."""
    monkeypatch.setattr(handovers, "TAKE_S", 0.5)
    async with leasing("c", "d") as first:
        await until_async(lambda: first.fence("c") and first.fence("d"), 60)
        async with leasing("c", "d") as second:
            camera = await offered_to(second, first)
            taking = second.takings[camera]
            second.report_loaded(camera)
            await until_async(lambda: taking.releases_first, 60)


async def test_camera_that_no_other_process_takes_is_kept(
    fences: itertools.count[int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is registered but takes no camera must not leave cameras unread."""
    monkeypatch.setattr(handovers, "OFFER_TTL_S", 0.5)
    async with leasing("c", "d") as leases:
        await until_async(lambda: leases.fence("c") and leases.fence("d"), 60)
        async with an_idle_process(settings.REDIS_URL):
            offered = leases._handovers.offered
            await until_async(lambda: offered, 60)
            await until_async(lambda: not offered, 60)
            await check_stays_true_for_a_while(
                lambda: not leases.leaving and not offered  # it is not offered again at once
            )


async def test_taker_goes_on_when_the_reader_ends_without_waiting(
    fences: itertools.count[int],
) -> None:
    """Its worker has been started, so nothing would be quicker."""
    async with leasing("c", "d") as second:
        second.set_cameras(())
        async with leasing("c", "d") as first:
            await until_async(lambda: first.fence("c") and first.fence("d"), 60)
            second.set_cameras(("c", "d"))
            camera = await offered_to(second, first)
        await until_async(lambda: second.fence(camera), 60)


async def test_process_that_ends_hands_over_all_cameras(fences: itertools.count[int]) -> None:
    async with leasing("c", "d") as first:
        await until_async(lambda: first.fence("c") and first.fence("d"), 60)
        async with leasing("c", "d") as second:
            await until_async(lambda: second._members.is_registered, 60)
            drained = asyncio.create_task(first.drain())
            await until_async(lambda: len(second.takings) == 2, 60)
            for camera in ("c", "d"):
                second.report_ready(camera, is_open=True)
            await until_async(lambda: len(first.leaving) == 2, 60)
            assert not drained.done(), "its workers run"
            for camera in ("c", "d"):
                first.release(camera)
            async with asyncio.timeout(60):
                await drained
            assert second.fence("c")
            assert second.fence("d")


async def test_process_that_ends_alone_waits_for_nobody(
    fences: itertools.count[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "DRAIN_S", 600)
    async with leasing("c") as leases:
        await until_async(lambda: leases.fence("c"), 60)
        async with asyncio.timeout(60):
            await leases.drain()
        assert leases.fence("c"), "it is released at the end"


async def test_offer_of_a_taker_that_dies_lapses_and_the_reader_goes_on(
    fences: itertools.count[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handovers, "OFFER_TTL_S", 1.0)
    async with leasing("c", "d") as first:
        await until_async(lambda: first.fence("c") and first.fence("d"), 60)
        async with leasing("c", "d") as second:
            camera = await offered_to(second, first)
        await until_async(lambda: not first._handovers.offered, 60)
        await check_stays_true_for_a_while(lambda: first.fence(camera) and not first.leaving)


@pytest.mark.timing
async def test_camera_that_opens_only_once_is_dark_for_less_than_a_second(
    fences: itertools.count[int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two supervisors with real workers of the demo camera, which is taken for such a one."""
    settings.CHANNEL_LAYERS = channel_layers(settings.REDIS_URL)
    monkeypatch.setattr(supervisor, "OPENED_ONCE", ("demo",))
    monkeypatch.setattr(configurations, "load_configurations", lambda: {"c": configuration()})
    for name in ("store_state", "store_still"):
        monkeypatch.setattr(state_writer, name, lambda *arguments: None)
    web, both = Web(), [Supervisor(RedisLeases()) for _ in range(2)]
    tasks = [asyncio.create_task(web.watch()), asyncio.create_task(web.want())]
    try:
        for each in both:
            tasks.append(asyncio.create_task(each.run(RedisLink())))
            await until_async(lambda: len(web.frames) > 10, 60)
        await until_async(lambda: both[1]._leases.is_held_elsewhere("c"), 60)
        both[0].end_in_order()
        await until_async(lambda: web.frames[-1].run > web.frames[0].run, 60)
        gap = max(b.captured_at - a.captured_at for a, b in pairwise(web.frames[5:]))
        print(f"MEASURED longest gap of a camera that opens only once {gap:.2f} s")
        assert gap < 1
    finally:
        await end(*tasks)
