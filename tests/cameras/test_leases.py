"""Several ingest processes on one Redis: each camera is read by exactly one, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import psutil
import pytest
import redis as redis_client
from django.db import connection
from django.utils import timezone

from cameras.ingest import reports
from cameras.ingest.roll import Roll, connect
from cameras.ingest.sharing import RedisLeases
from cameras.models import Camera, CameraState, CameraStill, Organization
from tests import ROOT
from tests.installation import Installation, installed
from tests.redis import RedisServer
from tests.sockets import acknowledged, age_ms, watching
from tests.waiting import until

CLIP = ROOT / "cameras/data/plaza.mp4"
NAMES = ("a.mp4", "b.mp4", "c.mp4", "d.mp4")


class Seen:
    """What one viewer of a camera gets, in a thread of its own."""

    def __init__(self, house: Installation, camera: str) -> None:
        self.frames: list[tuple[float, int]] = []  # when it came, when it was taken (unix ms)
        self.states: list[str] = []
        self._house, self._camera = house, camera
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Seen:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ending.set()
        self._thread.join(10)

    def _watch(self) -> None:
        bearer = {"Authorization": f"Bearer {self._house.token}"}
        with watching(self._house, self._camera, v1=True, headers=bearer) as socket:
            while not self._ending.is_set():
                with contextlib.suppress(TimeoutError):
                    message = acknowledged(socket, 0.5)
                    if "state" in message:
                        self.states.append(message["state"])
                    if age_ms(message) < 1000:
                        self.frames.append((time.time(), message["timestamp"]))

    def since(self, moment: float) -> float | None:
        """Seconds from that moment (unix) to the first picture that was taken after it."""
        return next((at - moment for at, taken in self.frames if taken > moment * 1000), None)

    def gap(self) -> float:
        """The longest time between two pictures."""
        return max((b - a for (a, _), (b, _) in pairwise(self.frames)), default=0.0)


class Club:
    """An installation with four cameras, each a file of its own, and any number of readers."""

    def __init__(self, house: Installation, redis: RedisServer) -> None:
        self.house, self.redis = house, redis
        house.serve()
        media = house.folder / "media"
        media.mkdir(exist_ok=True)
        with house.api() as api:
            for camera in api.get("/cameras").json()["results"]:
                api.patch(f"/cameras/{camera['id']}", json={"enabled": False})
        self.cameras = {}
        for name in NAMES:
            shutil.copy(CLIP, media / name)
            facts = {"name": name, "kind": "file", "source": name, "detect": False}
            self.cameras[name] = house.add_camera(**facts)
        self.ingests: list[subprocess.Popen[bytes]] = []

    def readers(self) -> dict[str, list[int]]:
        """Of each camera, the ingest processes that have a process reading its file."""
        found: dict[str, list[int]] = {name: [] for name in NAMES}
        for process in self.house.children("cameras.ingest.worker"):
            with contextlib.suppress(psutil.Error):
                for name in {os.path.basename(file.path) for file in process.open_files()}:
                    if name in found:
                        found[name].append(process.ppid())
        return found

    def shares(self) -> dict[int, int]:
        """How many cameras each process reads; empty unless each camera has exactly one."""
        readers = self.readers()
        if any(len(pids) != 1 for pids in readers.values()):
            return {}
        return dict(Counter(pids[0] for pids in readers.values()))

    def of(self, process: subprocess.Popen[bytes]) -> list[str]:
        """The cameras that it reads."""
        return [name for name, pids in self.readers().items() if process.pid in pids]

    def two(self) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
        """Two ingest processes that have two cameras each."""
        self.ingests = [process for process in self.ingests if process.poll() is None]
        while len(self.ingests) < 2:
            self.ingests.append(self.house.spawn("ingest"))
        until(lambda: sorted(self.shares().values()) == [2, 2], 30, "two cameras each")
        return self.ingests[0], self.ingests[1]

    @contextlib.contextmanager
    def watched(self) -> Iterator[dict[str, Seen]]:
        """All cameras, each with a viewer who has a picture. Nobody is told they were ended."""
        with contextlib.ExitStack() as viewers:
            seen = {
                name: viewers.enter_context(Seen(self.house, camera))
                for name, camera in self.cameras.items()
            }
            for one in seen.values():
                until(lambda one=one: one.frames, 20, "a picture")
            yield seen
        for one in seen.values():
            assert "ended" not in one.states

    def back(self, seen: dict[str, Seen], moment: float, seconds: float) -> float:
        """The longest time that one of them took to be live again after the moment."""
        for one in seen.values():
            until(lambda one=one: one.since(moment) is not None, seconds, "a new picture")
        return max(one.since(moment) or 0.0 for one in seen.values())

    def leases(self) -> dict[str, bytes | None]:
        """Who has each camera, as Redis says."""
        with redis_client.Redis(port=self.redis.port) as client:
            names = [f"sideline:lease:{camera}" for camera in self.cameras.values()]
            return dict(zip(self.cameras, client.mget(names), strict=True))


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as redis,
        installed(tmp_path_factory.mktemp("leases"), REDIS_URL=redis.url) as house,
    ):
        yield Club(house, redis)
        assert "Traceback" not in house.logged()


@pytest.mark.one_database
def test_second_process_gets_its_share_with_a_short_gap(club: Club) -> None:
    club.ingests = [club.house.spawn("ingest")]
    until(lambda: list(club.shares().values()) == [4], 30, "all cameras")
    with club.watched() as seen:
        club.two()
        club.back(seen, time.time(), 10)
        gap = max(one.gap() for one in seen.values())
        settled = club.leases()
        print(f"MEASURED longest gap at the hand-over {gap:.2f} s")
        assert gap < 4
        time.sleep(2)
        assert club.leases() == settled, "no camera goes to and fro"


@pytest.mark.one_database
def test_killed_process_is_replaced_within_ten_seconds(club: Club) -> None:
    _, victim = club.two()
    lost = club.of(victim)
    with club.watched() as seen:
        killed = time.time()
        victim.kill()
        took = club.back({name: seen[name] for name in lost}, killed + 0.5, 15) + 0.5
        print(f"MEASURED after kill -9 {took:.2f} s")
        assert took < 10
        assert list(club.shares().values()) == [4]


@pytest.mark.one_database
def test_process_that_ends_in_order_is_replaced_sooner(club: Club) -> None:
    _, leaver = club.two()
    lost = club.of(leaver)
    with club.watched() as seen:
        left = time.time()
        leaver.terminate()
        took = club.back({name: seen[name] for name in lost}, left + 0.2, 10) + 0.2
        print(f"MEASURED after SIGTERM {took:.2f} s")
        assert took < 4
        assert leaver.wait(5) == 0


@pytest.mark.one_database
def test_process_that_slept_lets_go_of_what_it_lost(club: Club) -> None:
    _, sleeper = club.two()
    lost = club.of(sleeper)
    with club.watched() as seen:
        slept = time.time()
        sleeper.send_signal(signal.SIGSTOP)
        try:
            took = club.back({name: seen[name] for name in lost}, slept + 0.5, 12) + 0.5
            assert took < 10
            time.sleep(max(0.0, slept + 12 - time.time()))
        finally:
            sleeper.send_signal(signal.SIGCONT)
        woke = time.time()
        until(lambda: all(len(pids) == 1 for pids in club.readers().values()), 5, "one reader")
        print(f"MEASURED asleep {took:.2f} s, two readers for {time.time() - woke:.2f} s")
        assert time.time() - woke < 2
        assert not club.of(sleeper)
        until(lambda: sorted(club.shares().values()) == [2, 2], 20, "two cameras each again")


@pytest.mark.one_database
def test_redis_that_lost_everything_finds_the_same_readers(club: Club) -> None:
    club.two()
    before, said = club.leases(), club.house.logged()
    with club.watched() as seen:
        club.redis.stop()
        time.sleep(6)  # longer than a lease
        assert club.shares() == {process.pid: 2 for process in club.ingests}, "they read on"
        club.redis.start()
        took = club.back(seen, time.time(), 10)
        print(f"MEASURED after Redis's return {took:.2f} s")
        assert took < 5
        until(lambda: club.leases() == before, 5, "the same readers")
        time.sleep(4)  # until others may be taken again
        assert club.leases() == before
    new = club.house.logged()[len(said) :]
    assert new.count("Redis is away") == 2, "one line of each process"
    assert new.count("Redis is back") == 2


@pytest.mark.one_database
def test_camera_that_is_switched_off_is_released(club: Club) -> None:
    club.two()
    name, camera = next(iter(club.cameras.items()))
    with club.house.api() as api:
        api.patch(f"/cameras/{camera}", json={"enabled": False})
        until(lambda: club.leases()[name] is None and not club.readers()[name], 5, "its release")
        assert club.house.state(camera) == "ended"
        api.patch(f"/cameras/{camera}", json={"enabled": True})
    until(lambda: club.leases()[name] and len(club.readers()[name]) == 1, 10, "a reader")


# --- one process's leases -----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def leasing() -> AsyncIterator[RedisLeases]:
    """A process's leases of camera “c”, without its supervisor."""
    leases = RedisLeases()
    leases.want({"c"})
    task = asyncio.create_task(leases.run())
    try:
        yield leases
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await leases.close()


async def soon(condition: Callable[[], object], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def fences(
    club: Club, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[itertools.count[int]]:
    """What the database would count, on the club's Redis."""
    settings.REDIS_URL = club.redis.url + "?db=1"
    numbers = itertools.count(1)
    claimed = lambda cameras: dict.fromkeys(cameras, next(numbers))  # noqa: E731
    monkeypatch.setattr(reports, "claim_fences", claimed)
    return numbers


@pytest.mark.one_database
async def test_refused_write_is_answered_by_a_higher_fence(fences: itertools.count[int]) -> None:
    """Another process took the camera, slept, lost it, and claimed its fence after all."""
    async with leasing() as leases:
        await soon(lambda: leases.fence("c") == 1)
        next(fences)
        leases.doubt("c", 1)
        await soon(lambda: leases.fence("c") == 3)
        leases.doubt("c", 1)  # a write that was older still
        await asyncio.sleep(1.5)
        assert leases.fence("c") == 3


@pytest.mark.one_database
async def test_camera_that_nobody_takes_is_read_beyond_the_share(
    fences: itertools.count[int], settings: Any
) -> None:
    """A process that is there but takes nothing must not leave cameras dark."""
    async with leasing() as leases:
        await soon(lambda: leases.fence("c") == 1)
        leases.want({"c", "d"})
        await soon(lambda: leases.fence("d") == 2)
        client = connect(settings.REDIS_URL)
        other = Roll(client, "idle")
        try:
            await other.call()
            await soon(lambda: leases.leaving)
            (given,) = leases.leaving
            await leases.release(given)
            async with asyncio.timeout(8):
                while leases.fence(given) is None:
                    await other.call()
                    await asyncio.sleep(0.2)
            for _ in range(5):
                await other.call()
                await asyncio.sleep(0.2)
                assert not leases.leaving, "it is not offered again at once"
        finally:
            await other.leave()
            await client.aclose()


@pytest.mark.one_database
async def test_camera_stays_where_it_is_until_its_reader_has_ended(
    fences: itertools.count[int],
) -> None:
    async with leasing() as first:
        await soon(lambda: first.fence("c") == 1)
        async with leasing() as second:
            first.want(set())
            assert [*first.leaving] == ["c"]
            await asyncio.sleep(1)
            assert second.fence("c") is None
            await first.release("c")
            await soon(lambda: second.fence("c") == 2)


# --- fences, on rows ----------------------------------------------------------------------------


@pytest.fixture
def camera(db: None) -> Camera:
    organization = Organization.objects.create(name="Club", slug="club")
    return Camera.objects.create(organization=organization, name="Pitch", kind="demo")


def packet(camera: Camera, fence: int, **facts: object) -> dict[str, object]:
    return {
        "camera": str(camera.pk), "fence": fence, "state": "live", "since": 1000, "reason": "",
        "fps": 10.0, "width": 640, "height": 360, "last_frame": 2000,
    } | facts  # fmt: skip


def test_fences_only_rise(camera: Camera) -> None:
    claimed = [reports.claim_fences([str(camera.pk)])[str(camera.pk)] for _ in range(3)]
    assert claimed == [1, 2, 3]
    state = CameraState.objects.get(camera=camera)
    assert state.state == "connecting"
    assert timezone.now() - state.reported_at < timedelta(seconds=10)


def test_camera_that_is_gone_has_no_fence(camera: Camera) -> None:
    gone = str(camera.pk)
    camera.delete()
    assert reports.claim_fences([gone]) == {}


def test_lower_fence_writes_nothing(camera: Camera) -> None:
    pk = str(camera.pk)
    (old,), (new,) = (reports.claim_fences([pk]).values() for _ in range(2))
    reports.store_state(packet(camera, new))
    reports.store_still(pk, new, 2000, b"new")
    with pytest.raises(reports.Outranked):
        reports.store_state(packet(camera, old, state="offline"))
    with pytest.raises(reports.Outranked):
        reports.store_still(pk, old, 9000, b"old")
    assert CameraState.objects.get(camera=camera).state == "live"
    assert bytes(CameraStill.objects.get(camera=camera).jpeg) == b"new"


def test_lower_fence_does_not_store_the_first_still(camera: Camera) -> None:
    pk = str(camera.pk)
    (old,), _ = (reports.claim_fences([pk]).values() for _ in range(2))
    with pytest.raises(reports.Outranked):
        reports.store_still(pk, old, 9000, b"old")
    assert not CameraStill.objects.exists()


def test_newest_fence_writes_again_and_again(camera: Camera) -> None:
    pk = str(camera.pk)
    (fence,) = reports.claim_fences([pk]).values()
    for reason in ("once", "twice"):
        reports.store_state(packet(camera, fence, reason=reason))
        reports.store_still(pk, fence, 2000, reason.encode())
    assert CameraState.objects.get(camera=camera).reason == "twice"
    assert bytes(CameraStill.objects.get(camera=camera).jpeg) == b"twice"


def test_reports_on_a_deleted_camera_leave_nothing(camera: Camera) -> None:
    (fence,) = reports.claim_fences([str(camera.pk)]).values()
    pk, late = str(camera.pk), packet(camera, fence)
    camera.delete()
    reports.store_state(late)
    reports.store_still(pk, fence, 2000, b"late")
    assert not CameraState.objects.exists()
    assert not CameraStill.objects.exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="its test database is one in memory")
def test_two_who_claim_at_once_get_different_fences(
    django_db_setup: None, django_db_blocker: Any
) -> None:
    """Committed rows, cleared by hand: Django cannot flush the tables of a swapped token model."""

    def claim() -> None:
        for _ in range(20):
            claimed.extend(reports.claim_fences([pk]).values())
        connection.close()

    claimed: list[int] = []
    with django_db_blocker.unblock():
        organization = Organization.objects.create(name="Club", slug="club")
        try:
            pk = str(organization.cameras.create(name="Pitch", kind="demo").pk)
            threads = [threading.Thread(target=claim) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            organization.delete()
    assert sorted(claimed) == list(range(1, 81))
