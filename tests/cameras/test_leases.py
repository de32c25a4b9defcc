"""Several ingest processes on one Redis: exactly one reads each camera."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cameras.ingest.leases import shared
from cameras.ingest.leases.shared import LEASE_TTL_S, REJOIN_DELAY_S
from cameras.live.redis_clients import connect
from tests.cameras.leasing import check_stays_true_for_a_while, leasing
from tests.cameras.shared_ingest import Club, check_stays_true
from tests.installation import installed
from tests.redis import RedisServer
from tests.waiting import until, until_async


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[Club]:
    with installed(tmp_path_factory.mktemp("leases"), REDIS_URL=redis.url) as installation:
        yield Club(installation, redis)
        assert "Traceback" not in installation.logged()


@pytest.mark.timing
def test_second_process_takes_its_share_without_a_gap(club: Club) -> None:
    club.ingests = [club.installation.spawn("ingest")]
    until(lambda: club.has_shares([4]), 30, "all cameras")
    with club.watched() as seen:
        club.two_ingests()
        club.wait_for_pictures(seen, time.time(), 10)
        gap = max(one.gap() for one in seen.values())
        settled = club.leases()
        print(f"MEASURED longest gap at the hand-over {gap:.2f} s")
        assert gap < 1
        check_stays_true(lambda: club.leases() == settled, 2, "no camera changes its process")


@pytest.mark.timing
def test_process_that_ends_in_order_leaves_no_gap(club: Club) -> None:
    _, ending = club.two_ingests()
    with club.watched() as seen:
        began = time.time()
        ending.send_signal(signal.SIGTERM)
        assert ending.wait(10) == 0
        took = time.time() - began
        club.wait_for_pictures(seen, time.time(), 10)
        gap = max(one.gap() for one in seen.values())
        print(f"MEASURED longest gap after SIGTERM {gap:.2f} s, the process ended in {took:.2f} s")
        assert gap < 1
    assert list(club.shares().values()) == [4]


@pytest.mark.timing
def test_process_that_slept_stops_reading_cameras_it_lost(club: Club) -> None:
    _, sleeper = club.two_ingests()
    lost = club.cameras_of(sleeper)
    with club.watched() as seen:
        slept = time.time()
        sleeper.send_signal(signal.SIGSTOP)
        try:
            took = (
                club.wait_for_pictures({name: seen[name] for name in lost}, slept + 0.5, 12) + 0.5
            )
            assert took < 10
            alone = lambda: len(set(club.leases().values())) == 1  # noqa: E731
            check_stays_true(alone, slept + 12 - time.time(), "the other process has them all")
        finally:
            sleeper.send_signal(signal.SIGCONT)
        woke = time.time()
        until(lambda: all(len(pids) == 1 for pids in club.readers().values()), 5, "one reader")
        print(f"MEASURED asleep {took:.2f} s, two readers for {time.time() - woke:.2f} s")
        assert time.time() - woke < 2
        assert not club.cameras_of(sleeper)
        until(lambda: club.has_shares([2, 2]), 20, "two cameras each again")


@pytest.mark.timing
def test_leases_stay_after_redis_lost_its_data(club: Club) -> None:
    club.two_ingests()
    before, said = club.leases(), club.installation.logged()
    with club.watched() as seen:
        club.redis.stop()
        mine = {process.pid: 2 for process in club.ingests}
        check_stays_true(lambda: club.shares() == mine, LEASE_TTL_S + 1, "they read on")
        club.redis.start()
        took = club.wait_for_pictures(seen, time.time(), 10)
        print(f"MEASURED after Redis's return {took:.2f} s")
        assert took < 5
        until(lambda: club.leases() == before, 5, "the same readers")
        check_stays_true(
            lambda: club.leases() == before, REJOIN_DELAY_S + 1, "also when others may be taken"
        )
    new = club.installation.logged()[len(said) :]
    assert new.count("Redis is down") == 2, "one line of each process"
    assert new.count("Redis is back") == 2


@pytest.mark.timing
def test_camera_that_is_switched_off_is_released(club: Club) -> None:
    club.two_ingests()
    name, camera = next(iter(club.cameras.items()))
    with club.installation.api() as api:
        api.patch(f"/cameras/{camera}", json={"enabled": False})
        until(lambda: club.leases()[name] is None and not club.readers()[name], 5, "its release")
        assert club.installation.state(camera) == "ended"
        api.patch(f"/cameras/{camera}", json={"enabled": True})
    until(lambda: club.leases()[name] and len(club.readers()[name]) == 1, 10, "a reader")


@pytest.mark.timing
def test_cameras_of_a_killed_process_are_taken_over_in_time(club: Club) -> None:
    """Pictures of the first half second may come from the process that was killed."""
    _, ending = club.two_ingests()
    lost = club.cameras_of(ending)
    with club.watched() as seen:
        killed = time.time() + 0.5
        ending.send_signal(signal.SIGKILL)
        took = club.wait_for_pictures({name: seen[name] for name in lost}, killed, 15) + 0.5
        print(f"MEASURED after SIGKILL {took:.2f} s")
        assert took < 10
        assert list(club.shares().values()) == [4]


@pytest.mark.timing
def test_camera_is_handed_over_without_a_word_and_without_an_older_picture(club: Club) -> None:
    """Viewers notice nothing but a new run: when a process joins, and when it ends."""
    first, second = club.two_ingests()
    with club.watched() as seen:
        for ending in (first, second):
            ending.send_signal(signal.SIGTERM)
            until(lambda ending=ending: ending.poll() is not None, 60, "its end")
            club.wait_for_pictures(seen, time.time(), 60)
            club.two_ingests()
            club.wait_for_pictures(seen, time.time(), 60)
        for one in seen.values():
            assert {*one.states} == {"live"}
            assert one.orders == sorted({*one.orders})
            assert len({run for run, _ in one.orders}) > 1, "each camera was handed over"


async def test_refused_write_causes_a_higher_fence(fences: itertools.count[int]) -> None:
    """Another process took the camera, slept, lost it, and then claimed its fence."""
    async with leasing() as leases:
        await until_async(lambda: leases.fence("c") == 1, 60)
        next(fences)
        leases.report_stale_fence("c", 1)
        await until_async(lambda: leases.fence("c") == 3, 60)
        leases.report_stale_fence("c", 1)  # a write that was older still
        await check_stays_true_for_a_while(lambda: leases.fence("c") == 3)


async def test_camera_is_not_taken_over_before_its_reader_has_ended(
    fences: itertools.count[int],
) -> None:
    async with leasing() as first:
        await until_async(lambda: first.fence("c") == 1, 60)
        async with leasing() as second:
            first.set_cameras(set())
            assert [*first.leaving] == ["c"]
            await check_stays_true_for_a_while(lambda: second.fence("c") is None)
            assert second.is_held_elsewhere("c")
            first.release("c")
            await until_async(lambda: second.fence("c") == 2, 60)
            assert not second.is_held_elsewhere("c")


async def test_process_knows_which_cameras_others_have(
    fences: itertools.count[int],
) -> None:
    async with leasing() as first:
        await until_async(lambda: first.fence("c") == 1, 60)
        assert not first.is_held_elsewhere("c")
        async with leasing() as second:
            await until_async(lambda: second.is_held_elsewhere("c"), 60)
            assert not second.is_held_elsewhere("d"), "no process has it"


async def test_second_loss_of_redis_data_is_noticed_before_the_process_is_registered_again(
    fences: itertools.count[int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would count itself alone, and take cameras that others are about to renew."""
    monkeypatch.setattr(shared, "REJOIN_DELAY_S", 600)
    client = connect(settings.REDIS_URL)
    async with leasing() as leases:
        await until_async(lambda: leases.fence("c") == 1, 60)
        await until_async(lambda: leases._members.is_registered, 60)
        for fence in (2, 3):
            until_then = leases._rejoin_at
            await client.flushdb()
            await until_async(lambda fence=fence: leases.fence("c") == fence, 60)
            assert leases._rejoin_at > until_then
            assert not leases._members.is_registered
    await client.aclose()
