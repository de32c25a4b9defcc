"""The load generator, driven: N viewers of a running server, and one measurement of what they get.

`load.c` says `ready` and `start` and waits for a line after each, so that a process's CPU clock is
read exactly where the measured time begins and ends.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from tests.bench.arena import LOAD_CORE
from tests.bench.building import program


@dataclass(frozen=True, slots=True)
class Group:
    """`count` viewers of one camera. `kind` is healthy, stalled or slow."""

    kind: str
    count: int
    camera: int


@dataclass(frozen=True, slots=True)
class Watching:
    """How a crowd watches. `fps` 0 is as fast as the slowest healthy viewer gets frames."""

    groups: tuple[Group, ...]
    fps: float
    seconds: float
    warmup: float
    v1: bool
    acks: bool
    slow_bytes: float = 0  # a second, for each slow viewer
    window: int = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """One measurement. CPU in seconds, memory in bytes; `classes` as `load.c` prints them.

    `load_busy` is the share of its core that the load, the feeder and Redis took together.
    """

    classes: dict[str, dict[str, float]]
    seconds: float
    span: float
    cpu: float
    load_busy: float
    rss_before: int
    rss_after: int
    rss_peak: int

    @property
    def delivered(self) -> float:
        """Frames, over all classes."""
        return sum(seen["delivered"] for seen in self.classes.values())


class Failed(Exception):
    """The load could not be put on, or the server did not bear it."""


def watch(how: Watching, pid: int, ticks: int, address: Callable[[int], tuple[int, str]]) -> Seen:
    """Measure the process `pid`, whose cameras are found at `address(camera)`: port and path.

    Raises `Failed`.
    """
    groups = [
        ":".join(map(str, (group.kind, group.count, group.camera, *address(group.camera))))
        for group in how.groups
    ]
    options: dict[str, Any] = {
        "ticks": ticks, "fps": how.fps, "seconds": how.seconds, "warmup": how.warmup,
        "window": how.window, "v1": int(how.v1), "ack": int(how.acks), "slow": int(how.slow_bytes),
    }  # fmt: skip
    words = [f"{name}={value}" for name, value in options.items()]
    load = subprocess.Popen(
        [program("load"), *words, *groups], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        return _measured(load, psutil.Process(pid), how)
    finally:
        load.kill()
        load.communicate()


def _measured(load: subprocess.Popen[bytes], server: psutil.Process, how: Watching) -> Seen:
    assert load.stdin is not None
    lines = _Lines(load)
    lines.expect(b"ready", 60)
    load.stdin.write(b"\n")
    load.stdin.flush()
    lines.expect(b"start", how.warmup + 30)
    before, rss_before = cpu_of(server.pid), server.memory_info().rss
    psutil.cpu_times_percent(percpu=True)  # from here on
    load.stdin.write(b"\n")
    load.stdin.flush()
    peak = rss_before

    def look() -> None:
        nonlocal peak
        peak = max(peak, server.memory_info().rss)

    lines.expect(b"end", how.seconds + 30, look)
    cpu = cpu_of(server.pid) - before
    load_busy = 1 - psutil.cpu_times_percent(percpu=True)[LOAD_CORE].idle / 100
    rss = server.memory_info().rss
    facts = json.loads(lines.next(30))
    return Seen(
        facts["classes"], facts["seconds"], facts["span"], cpu, load_busy,
        rss_before, rss, max(peak, rss),
    )  # fmt: skip


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far, by its own clock: the 10 ms of /proc are coarse."""
    return time.clock_gettime((~pid << 3) | 2)


class _Lines:
    """Lines of a process, each within a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._handle = process.stdout.fileno()
        self._held = b""

    def next(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> bytes:
        """The next line; `meanwhile` is called twice a second."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._held:
            if time.monotonic() > deadline:
                raise Failed("the load generator is silent")
            if select.select([self._handle], [], [], 0.5)[0]:
                data = os.read(self._handle, 65536)
                if not data:
                    raise Failed("the load generator gave up")
                self._held += data
            else:
                meanwhile()
        line, _, self._held = self._held.partition(b"\n")
        return line

    def expect(
        self, word: bytes, seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """The next line must be this one."""
        if (line := self.next(seconds, meanwhile)) != word:
            raise Failed(f"the load generator said {line!r}")
