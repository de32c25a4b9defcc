"""Benchmark of one camera: `python -m tests.bench.ingest [SECONDS]` prints a table.

A worker process is measured over a socket pair, as in production: its CPU time in cores, and the
delay from a picture's capture to the arrival of its frame on the other side.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.cameras.ingest.worker.driven import WorkerDriver, is_frame, is_live, worker
from tests.servers import ffmpeg, http_camera


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time in cores; delays in ms, sorted; both over one window."""

    cores: float
    delays: list[float]

    def percentile(self, part: float) -> float:
        """Return the delay that this fraction of the frames did not exceed; 0 without frames."""
        return self.delays[int(part * (len(self.delays) - 1))] if self.delays else 0.0


def settle(driver: WorkerDriver, *, watched: bool, detect: bool) -> None:
    """Wait until the worker has loaded its libraries and sends pictures."""
    driver.first(is_live, 20)
    if watched:
        driver.send({"type": "demand", "rates": [(0, 0)]})
        driver.first(
            lambda header: is_frame(header) and bool(header.get("detections")) is detect, 20
        )


def window(driver: WorkerDriver, seconds: float) -> Cost:
    """Measure a settled worker for `seconds`."""
    process = psutil.Process(driver.process.pid)
    before, began = process.cpu_times(), time.monotonic()
    delays = []
    for header, _ in driver.packets(seconds):
        if is_frame(header):
            delays.append(time.time() * 1000 - header["timestamp"])
    after, elapsed = process.cpu_times(), time.monotonic() - began
    used = after.user + after.system - before.user - before.system
    return Cost(used / elapsed, sorted(delays))


def clip_720p(folder: Path) -> Path:
    """Write ten seconds of the demo scene at 1280×720, 10 frames per second."""
    clip = folder / "720p.mp4"
    ffmpeg("-t", "10", "-vf", "scale=1280:720", "-c:v", "libx264", "-preset", "veryfast", clip)
    return clip


def row(name: str, seconds: float, *, watched: bool, detect: bool = False, **config: Any) -> None:
    """Measure one configuration and print its row."""
    with worker(detect=detect, **config) as driver:
        settle(driver, watched=watched, detect=detect)
        cost = window(driver, seconds)
    delays = f"{cost.percentile(0.5):8.1f} {cost.percentile(0.95):8.1f}" if watched else ""
    print(f"{name:44} {cost.cores:6.3f} {len(cost.delays) / seconds:6.1f} {delays}", flush=True)


def main(seconds: float = 10.0) -> None:
    """Print the table."""
    print(f"{'':44} {'cores':>6} {'fps':>6} {'p50 ms':>8} {'p95 ms':>8}")
    with tempfile.TemporaryDirectory() as folder, http_camera() as camera:
        large: dict[str, Any] = {
            "kind": "file", "source": clip_720p(Path(folder)).name, "media_root": folder
        }  # fmt: skip
        row("demo 768×432, detected and watched", seconds, watched=True, detect=True)
        row("demo 768×432, watched", seconds, watched=True)
        row("demo 768×432, no viewer", seconds, watched=False)
        row("1280×720, detected and watched", seconds, watched=True, detect=True, **large)
        row("1280×720, watched", seconds, watched=True, **large)
        row("1280×720, no viewer", seconds, watched=False, **large)
        for name, path in (("MJPEG", "/cam"), ("HLS", "/live.m3u8")):
            source = camera.base + path
            row(
                f"{name} 768×432 by HTTP, watched",
                seconds,
                watched=True,
                kind="http",
                source=source,
            )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
