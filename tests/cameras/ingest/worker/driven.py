"""A worker process that a test drives in place of the supervisor."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cameras.ingest.labels import DEFAULT_CLASSES
from cameras.live.packets import PacketReader, pack
from tests.processes import killed_with_parent
from tests.servers import ROOT

Packet = tuple[dict[str, Any], bytes]

MODULE = ("-m", "cameras.ingest.worker.main")


class WorkerDriver:
    """A worker process and the supervisor's end of its link."""

    def __init__(self, command: tuple[str, str] = MODULE, **config: Any) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                killed_with_parent(sys.executable, *command, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                stderr=subprocess.PIPE,
            )
        self.reader = PacketReader()
        self.states: list[str] = []  # reported so far
        self.send(
            {
                "type": "config", "camera": "c", "kind": "demo", "source": "", "fps": 10,
                "width": None, "quality": 80, "detect": False, "classes": list(DEFAULT_CLASSES),
                "threshold": 0.4, "allow_loopback": True, "media_root": ".", "attempt": 0,
                "masks": [],
            } | config
        )  # fmt: skip

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self.link.sendall(pack(header, payload))

    def packets(self, seconds: float) -> Iterator[Packet]:
        """Yield every packet that arrives within `seconds`."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.link.settimeout(left)
            try:
                data = self.link.recv(1 << 20)
            except TimeoutError:
                return
            if not data:
                return
            for header, payload in self.reader.feed(data):
                if header["type"] == "state":
                    self.states.append(header["state"])
                yield header, payload

    def until_states(self, count: int) -> list[dict[str, Any]]:
        """Return all headers up to the `count`-th state; one comes each second."""
        headers: list[dict[str, Any]] = []
        for header, _ in self.packets(60):
            headers.append(header)
            count -= header["type"] == "state"
            if not count:
                return headers
        raise AssertionError("the worker stopped sending states")

    def first(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> Packet:
        """Return the first packet whose header fulfils the condition."""
        for header, payload in self.packets(seconds):
            if condition(header):
                return header, payload
        raise AssertionError("no such packet came")


@contextmanager
def worker(**config: Any) -> Iterator[WorkerDriver]:
    """Run a worker with this configuration."""
    driver = WorkerDriver(**config)
    try:
        yield driver
    finally:
        driver.link.close()
        driver.process.kill()
        driver.process.wait(5)
        if driver.process.stderr:
            driver.process.stderr.close()


def is_frame(header: dict[str, Any]) -> bool:
    return header["type"] == "frame"


def is_live(header: dict[str, Any]) -> bool:
    return header["type"] == "state" and header["state"] == "live"
