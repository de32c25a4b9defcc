"""What a camera's process costs as a fork: CPU to start it, and memory of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from cameras.ingest.fork_client import ForkClient
from cameras.ingest.links import LinkLost, SocketLink
from tests.cameras.ingest.supervised import configuration
from tests.cameras.ingest.worker.driven import WorkerDriver

pytestmark = pytest.mark.timing

CAMERAS = 4
LIMIT_MIB = 60
FRAMES = 60  # of each camera, so that every buffer was in use


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def pss_mib(pid: int) -> float:
    """The process's memory, with what it shares divided among those that share it."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("Pss:")) / 1024


async def watched(link: SocketLink, playing: asyncio.Semaphore) -> None:
    """Configure a camera with detection, and read its frames until the link is lost."""
    config = configuration() | {"detect": True, "width": None, "quality": 80}
    await link.send({"type": "config", "attempt": 0, "waited": 0} | config, b"")
    await link.send({"type": "demand", "rates": [(0, 0)]}, b"")
    frames, detections = 0, 0
    try:
        async for header, _ in link.receive():
            if header["type"] == "frame":
                frames += 1
                detections += len(header.get("detections") or ())
                if frames >= FRAMES and detections:
                    playing.release()
    except LinkLost:
        link.close()


async def memory_of(count: int) -> tuple[float, float]:
    """Return the memory (PSS, MiB) of the fork server and `count` cameras, and CPU s of a start."""
    forks, readers, processes = ForkClient(), [], []
    started, playing = [], [asyncio.Semaphore(0) for _ in range(count)]
    try:
        for each in playing:
            process, link = await forks.start("camera", "c")
            assert (await anext(link.receive()))[0]["type"] == "loaded"
            processes.append(process)
            started.append(cpu_s(process.pid))
            readers.append(asyncio.create_task(watched(link, each)))
        async with asyncio.timeout(100):
            for each in playing:
                await each.acquire()
        assert forks.pid is not None
        total = sum(pss_mib(pid) for pid in (forks.pid, *(each.pid for each in processes)))
        return total, max(started)
    finally:
        for process in processes:
            process.kill()
        await asyncio.gather(*readers)
        await forks.close()


def cpu_of_a_new_interpreter() -> float:
    driver = WorkerDriver()
    try:
        driver.first(lambda header: header["type"] == "loaded")
        return cpu_s(driver.process.pid)
    finally:
        driver.link.close()
        driver.process.kill()
        driver.process.wait(5)
        assert driver.process.stderr is not None
        driver.process.stderr.close()


async def test_camera_beyond_the_first_costs_little_memory_and_its_start_little_cpu() -> None:
    one, _ = await memory_of(1)
    all_of_them, start = await memory_of(CAMERAS)
    beyond_the_first = (all_of_them - one) / (CAMERAS - 1)
    new = await asyncio.to_thread(cpu_of_a_new_interpreter)
    print(
        f"fork server and one camera: {one:.0f} MiB, each further one {beyond_the_first:.0f} MiB; "
        f"to start one: {start:.2f} CPU s, as a new interpreter {new:.2f}"
    )
    assert beyond_the_first <= LIMIT_MIB
    assert start <= new / 4
