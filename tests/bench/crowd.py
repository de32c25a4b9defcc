"""Runs the load generator: N viewers of a running server, and one measurement.

`load.c` prints `ready` and `start` and waits for a line after each, so that the server's CPU clock
is read exactly when the measured time begins and ends.
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
class LoadOptions:
    """Options of the load. `fps` 0 is the closed loop: as fast as the slowest healthy viewer."""

    groups: tuple[Group, ...]
    fps: float
    seconds: float
    warmup: float
    v1: bool
    acks: bool
    slow_bytes: float = 0  # per second, read by each slow viewer
    window: int = 2


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement. CPU in seconds, memory in bytes; `classes` as `load.c` prints them.

    `load_busy` is the share of the second core used by the load, the feeder and Redis together.
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
        return sum(viewers["delivered"] for viewers in self.classes.values())


class LoadFailed(Exception):
    """The load could not be generated, or the server failed under it."""


def measure(
    options: LoadOptions, pid: int, ticks: int, address: Callable[[int], tuple[int, str]]
) -> Measurement:
    """Measure the process `pid`, whose cameras are found at `address(camera)`: port and path.

    Raises `LoadFailed`.
    """
    groups = [
        ":".join(map(str, (group.kind, group.count, group.camera, *address(group.camera))))
        for group in options.groups
    ]
    arguments: dict[str, Any] = {
        "ticks": ticks, "fps": options.fps, "seconds": options.seconds, "warmup": options.warmup,
        "window": options.window, "v1": int(options.v1), "ack": int(options.acks),
        "slow": int(options.slow_bytes),
    }  # fmt: skip
    words = [f"{name}={value}" for name, value in arguments.items()]
    load = subprocess.Popen(
        [program("load"), *words, *groups], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        return _measure(load, psutil.Process(pid), options)
    finally:
        load.kill()
        load.communicate()


def _measure(
    load: subprocess.Popen[bytes], server: psutil.Process, options: LoadOptions
) -> Measurement:
    assert load.stdin is not None
    lines = _Lines(load)
    lines.expect(b"ready", 60)
    load.stdin.write(b"\n")
    load.stdin.flush()
    lines.expect(b"start", options.warmup + 30)
    before, rss_before = cpu_of(server.pid), server.memory_info().rss
    psutil.cpu_times_percent(percpu=True)  # resets the interval
    load.stdin.write(b"\n")
    load.stdin.flush()
    peak = rss_before

    def sample_memory() -> None:
        nonlocal peak
        peak = max(peak, server.memory_info().rss)

    lines.expect(b"end", options.seconds + 30, sample_memory)
    cpu = cpu_of(server.pid) - before
    load_busy = 1 - psutil.cpu_times_percent(percpu=True)[LOAD_CORE].idle / 100
    rss = server.memory_info().rss
    result = json.loads(lines.next(30))
    return Measurement(
        result["classes"], result["seconds"], result["span"], cpu, load_busy,
        rss_before, rss, max(peak, rss),
    )  # fmt: skip


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process, by its own clock: /proc counts in steps of 10 ms."""
    return time.clock_gettime((~pid << 3) | 2)


class _Lines:
    """Reads lines of a process, each with a timeout."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._handle = process.stdout.fileno()
        self._held = b""

    def next(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> bytes:
        """Return the next line; call `meanwhile` twice per second. Raises `LoadFailed`."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._held:
            if time.monotonic() > deadline:
                raise LoadFailed("the load generator printed nothing in time")
            if select.select([self._handle], [], [], 0.5)[0]:
                data = os.read(self._handle, 65536)
                if not data:
                    raise LoadFailed("the load generator ended early")
                self._held += data
            else:
                meanwhile()
        line, _, self._held = self._held.partition(b"\n")
        return line

    def expect(
        self, word: bytes, seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Read the next line. Raises `LoadFailed` if it is another one."""
        if (line := self.next(seconds, meanwhile)) != word:
            raise LoadFailed(f"the load generator printed {line!r}")
