"""Benchmark of the RTSP relay: `python -m tests.bench.relay [SECONDS]` prints a table.

CPU time per megabyte of a reading process, with and without a relay in the same process. One reader
only receives, the other is FFmpeg, which also demuxes and decodes. The camera is a separate process
and sends as fast as it is read, or in real time.
"""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cameras.ingest.sources.addresses import Address
from cameras.ingest.sources.rtsp_relay import RTSPRelay
from cameras.ingest.worker.demuxer import Demuxer
from tests.rtsp import PACKET_BYTES, rtsp_camera
from tests.servers import segments

FRAMES_A_SEGMENT = 20
Reader = Callable[[str, float], float]  # a URL and seconds in, ms of CPU for each MB out


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU for each megabyte."""

    direct: float
    relayed: float

    @property
    def ratio(self) -> float:
        return self.relayed / self.direct


def _cpu_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1000


def receive(url: str, seconds: float) -> float:
    """Receive the stream and ignore its content."""
    address = Address.parse("rtsp", url)
    with socket.create_connection((address.host, address.port)) as link:
        for number, method in enumerate(("OPTIONS", "PLAY"), start=1):
            link.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode())
        began, end, received = _cpu_ms(), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            received += len(link.recv(65536))
        return (_cpu_ms() - began) / received * 1e6


def grab(url: str, seconds: float) -> float:
    """Read the stream with FFmpeg, as a capture does."""
    demuxer = Demuxer("rtsp", url)
    shown = (frame for frame in demuxer.frames() if frame is not None)
    next(shown)
    began, end, frames = _cpu_ms(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        frames += next(shown) is not None
    used = _cpu_ms() - began
    demuxer.close()
    return float(used / (frames * len(segments()[0]) / FRAMES_A_SEGMENT) * 1e6)


def cost(url: str, reader: Reader, seconds: float, rounds: int = 3) -> Cost:
    """Return the best of some rounds, because the machine may be busy."""
    relay = RTSPRelay(lambda host, port, ip: True)
    through = relay.show(Address.parse("rtsp", url))
    try:
        pairs = [(reader(url, seconds), reader(through, seconds)) for _ in range(rounds)]
    finally:
        relay.close()
    return Cost(min(pair[0] for pair in pairs), min(pair[1] for pair in pairs))


@contextmanager
def camera(pace: float) -> Iterator[str]:
    """Run a camera in another process and yield its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.relay", "camera", str(pace)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def _serve(pace: float) -> None:
    with rtsp_camera() as served:
        served.pace = pace
        print(served.url, flush=True)
        sys.stdin.read()


def main(seconds: float) -> None:
    segments()  # now: later, FFmpeg options in the environment would affect the encoder
    print("ms of CPU for each MB        direct  relayed  ratio")
    for pace, how in ((0.0, "full speed"), (PACKET_BYTES / 1e6, "1 MB/s")):
        with camera(pace) as url:
            for reader in (receive, grab):
                found = cost(url, reader, seconds)
                print(f"{reader.__name__:8} {how:16} {found.direct:9.2f} {found.relayed:8.2f} "
                      f"{found.ratio:6.2f}")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["camera"]:
        _serve(float(sys.argv[2]))
    else:
        main(float(sys.argv[1]) if sys.argv[1:] else 3.0)
