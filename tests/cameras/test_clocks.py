"""An ingest host with a wrong wall clock, and a web server that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest import configurations, fork_client, state_writer
from cameras.ingest.leases.embedded import EmbeddedLeases
from cameras.ingest.redis_link import RedisLink
from cameras.ingest.supervisor import Supervisor
from project.settings.shared_stores import channel_layers
from tests.cameras.ingest.supervised import configuration
from tests.cameras.ingest.worker.driven import WorkerDriver, is_frame
from tests.installation import Installation, installed
from tests.redis import RedisServer
from tests.sockets import next_frame, watching
from tests.waiting import until, until_async

HOUR_S = 3600.0

# A worker on another host: its monotonic clock has nothing to do with ours, and its wall clock is
# off by what a file says.
ON_ANOTHER_HOST = """
import sys, time
from pathlib import Path
from cameras.live import ages
wall, monotonic, wrong = time.time_ns, time.monotonic_ns, Path({shift!r})
ages.CLOCK = "another host"
time.time_ns = lambda: wall() + int(float(wrong.read_text()) * 1e9)
time.monotonic_ns = lambda: monotonic() + 5_000_000_000_000
time.monotonic = lambda: time.monotonic_ns() / 1e9
from cameras.ingest.worker import {module}
{module}.main(int(sys.argv[1]))
"""


class WallClock:
    """How wrong the wall clock of the other host is."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "shift"
        self.command = self._command("main")
        self.fork_server = self._command("fork_server")
        self.set(0)

    def _command(self, module: str) -> tuple[str, str]:
        return "-c", ON_ANOTHER_HOST.format(shift=str(self._file), module=module)

    def set(self, seconds: float) -> None:
        """Let it be wrong by these seconds from now on."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self._file)
        self.error_s = seconds

    def age_s(self, frame: dict[str, Any]) -> float:
        """The age of a frame that was captured by this clock."""
        return time.time() + self.error_s - float(frame["timestamp"]) / 1000


def test_corrected_clock_is_followed_at_once_and_tracks_stay(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    clock.set(HOUR_S)
    driver = WorkerDriver(clock.command, detect=True, width=384)
    try:
        driver.send({"type": "demand", "rates": [(0, 0)]})
        before, _ = driver.first(lambda h: is_frame(h) and h["detections"])
        assert abs(clock.age_s(before)) < 60
        clock.set(0)
        after, _ = driver.first(lambda h: is_frame(h) and h["run"] > before["run"])
        assert abs(clock.age_s(after)) < 60
        assert after["seq"] > before["seq"]
        later, _ = driver.first(lambda h: is_frame(h) and h["seq"] > after["seq"] + 20)
        assert later["detections"], "objects are followed across the step"
        assert later["run"] == after["run"]
    finally:
        driver.link.close()
        driver.process.kill()
        driver.process.wait(30)
        assert driver.process.stderr is not None
        driver.process.stderr.close()


@pytest.fixture
def web(tmp_path: Path, redis: RedisServer) -> Iterator[Installation]:
    """A web process whose only ingest process is the test."""
    with installed(tmp_path, REDIS_URL=redis.url) as installation:
        installation.serve()
        yield installation


class SeedViewer:
    """A viewer of the seed's format, in its own thread, and the ages of what it got."""

    def __init__(self, installation: Installation, camera: str, clock: WallClock) -> None:
        self.ages: list[float] = []
        self.runs: list[int] = []
        self._where, self._clock = (installation, camera), clock
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> SeedViewer:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ending.set()
        self._thread.join(30)

    def _watch(self) -> None:
        installation, camera = self._where
        bearer = {"Authorization": f"Bearer {installation.token}"}
        with watching(installation, camera, headers=bearer) as socket:
            while not self._ending.is_set():
                with contextlib.suppress(TimeoutError):
                    frame = next_frame(socket, 0.5)
                    self.ages.append(self._clock.age_s(frame))
                    self.runs.append(frame["run"])


@pytest.mark.extended
async def test_no_viewer_gets_an_old_picture_or_none_because_of_a_wrong_clock(
    web: Installation, redis: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    with web.api() as api:
        (camera,) = (one["id"] for one in api.get("/cameras").json()["results"])
    settings.REDIS_URL, settings.CHANNEL_LAYERS = redis.url, channel_layers(redis.url)
    config = configuration() | {"camera": camera}
    monkeypatch.setattr(configurations, "load_configurations", lambda: {camera: config})
    monkeypatch.setattr(configurations, "claim_fences", lambda cameras: dict.fromkeys(cameras, 1))
    for name in ("store_state", "store_still"):
        monkeypatch.setattr(state_writer, name, lambda *arguments: None)
    clock = WallClock(tmp_path)
    clock.set(-4)
    monkeypatch.setattr(fork_client, "COMMAND", clock.fork_server)
    ingest = asyncio.create_task(Supervisor(EmbeddedLeases()).run(RedisLink()))
    try:
        with SeedViewer(web, camera, clock) as viewer:
            await until_async(lambda: len(viewer.ages) > 20, 60)  # the clock is slow
            clock.set(HOUR_S)
            await until_async(lambda: len({*viewer.runs}) == 2, 60)
            count = len(viewer.ages)
            await until_async(lambda: len(viewer.ages) > count + 5, 60)
            await asyncio.to_thread(stand_still, web, 8.0)
            count = len(viewer.ages)
            await until_async(lambda: len(viewer.ages) > count + 20, 60)
            ages = viewer.ages[count:]
            assert max(ages) < 6, "what had waited in Redis and in buffers is 8 s old"
            assert viewer.runs == sorted(viewer.runs)
    finally:
        ingest.cancel()
        await asyncio.gather(ingest, return_exceptions=True)


def stand_still(installation: Installation, seconds: float) -> None:
    """Stop the web server for a while."""
    (process,) = (each for each in installation.processes if each.poll() is None)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        over = time.monotonic() + seconds
        until(lambda: time.monotonic() > over, seconds + 30)
    finally:
        os.kill(process.pid, signal.SIGCONT)
