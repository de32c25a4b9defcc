"""A supervisor that takes a camera over from another process, with a real worker."""

from __future__ import annotations

import asyncio

import pytest

from cameras.ingest import worker_process
from cameras.ingest.leases.embedded import EmbeddedLeases
from cameras.ingest.leases.handovers import Taking
from cameras.live.ages import stamp
from tests.cameras.ingest.supervised import supervised
from tests.push_messages import now
from tests.sockets import jpeg
from tests.waiting import until_async


class HeldElsewhere(EmbeddedLeases):
    """Another process has the camera and offers it, until the test gives it to us."""

    def __init__(self, *, releases_first: bool) -> None:
        super().__init__()
        self.ready: list[bool] = []  # whether the camera was open
        self.taking = Taking(releases_first=releases_first)
        self.takings = {"c": self.taking}
        self.changed.set()

    async def run(self) -> None:
        """Claim nothing."""
        await self._wakeup.wait()
        self.changed.set()  # the cameras are known now
        await asyncio.Event().wait()

    def report_ready(self, camera_id: str, *, is_open: bool) -> None:
        self.ready.append(is_open)

    def give(self) -> None:
        """Let the camera be ours."""
        self._fences, self.takings = {"c": 7}, {}
        self.changed.set()


@pytest.mark.parametrize("releases_first", [False, True])
async def test_standby_sends_nothing_until_the_camera_is_ours(
    monkeypatch: pytest.MonkeyPatch, releases_first: bool
) -> None:
    monkeypatch.setattr(worker_process, "TAKEN_OVER_S", 600)
    leases = HeldElsewhere(releases_first=releases_first)
    async with supervised(monkeypatch, leases) as (supervisor, link):
        await until_async(lambda: leases.ready, 60)
        assert leases.ready[0] is not releases_first
        assert link.packets == []
        assert not supervisor.workers
        leases.give()
        await until_async(lambda: link.times() and link.times("state"), 60)
        headers = [header for _, header in link.packets]
        assert {header.get("fence") for header in headers} == {7}
        states = {header["state"] for header in headers if header["type"] == "state"}
        assert states == {"live"}, "no viewer reads that it connects"


async def test_device_that_is_handed_over_is_not_called_offline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before its first picture here, viewers have those of the process before."""
    monkeypatch.setattr(worker_process, "TAKEN_OVER_S", 600)
    leases = HeldElsewhere(releases_first=False)
    async with supervised(monkeypatch, leases, kind="push") as (supervisor, link):
        await until_async(lambda: leases.ready, 60)
        leases.give()
        await until_async(lambda: supervisor.workers, 60)
        frame = {"camera": "c", "timestamp": now(), **stamp()}
        await link.down.put(({"type": "push"} | frame, jpeg()))
        await until_async(lambda: link.times("state"), 60)
        headers = [header for _, header in link.packets if header["type"] == "state"]
        assert {header["state"] for header in headers} == {"live"}


async def test_standby_that_gets_no_pictures_waits_to_open_the_camera(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The camera has room for one connection only, so its reader has to release it first."""
    leases = HeldElsewhere(releases_first=False)
    async with supervised(monkeypatch, leases) as (_, link):
        await until_async(lambda: leases.ready, 60)
        leases.taking.releases_first = True
        leases.changed.set()
        await until_async(lambda: not leases.ready[-1], 60)
        assert link.packets == []


async def test_standby_ends_with_the_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    leases = HeldElsewhere(releases_first=False)
    async with supervised(monkeypatch, leases) as (supervisor, link):
        await until_async(lambda: leases.ready, 60)
        (standby,) = supervisor._standbys.values()
        leases.takings = {}
        leases.changed.set()
        await until_async(lambda: standby.exit_status is not None, 60)
        assert link.packets == []
