"""A worker process, and the supervisor's end of its link in one's own hand."""

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
from tests.processes import bound
from tests.servers import ROOT

Packet = tuple[dict[str, Any], bytes]

MODULE = ("-m", "cameras.ingest.worker.main")


class Hand:
    """A worker process and the supervisor's end of its link."""

    def __init__(self, command: tuple[str, str] = MODULE, **config: Any) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                bound(sys.executable, *command, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                stderr=subprocess.PIPE,
            )
        self.reader = PacketReader()
        self.states: list[str] = []  # that were told
        self.say(
            {
                "type": "config", "camera": "c", "kind": "demo", "source": "", "fps": 10,
                "width": None, "quality": 80, "detect": False, "classes": list(DEFAULT_CLASSES),
                "threshold": 0.4, "allow_loopback": True, "media_root": ".", "attempt": 0,
                "masks": [],
            } | config
        )  # fmt: skip

    def say(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self.link.sendall(pack(header, payload))

    def packets(self, seconds: float) -> Iterator[Packet]:
        """Everything that arrives for so long."""
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

    def beats(self, count: int) -> list[dict[str, Any]]:
        """The headers of all that comes until the state was told so often: each second."""
        heard: list[dict[str, Any]] = []
        for header, _ in self.packets(60):
            heard.append(header)
            count -= header["type"] == "state"
            if not count:
                return heard
        raise AssertionError("the worker fell silent")

    def first(self, chosen: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> Packet:
        for header, payload in self.packets(seconds):
            if chosen(header):
                return header, payload
        raise AssertionError("no such packet came")


@contextmanager
def worker(**config: Any) -> Iterator[Hand]:
    hand = Hand(**config)
    try:
        yield hand
    finally:
        hand.link.close()
        hand.process.kill()
        hand.process.wait(5)
        if hand.process.stderr:
            hand.process.stderr.close()


def is_frame(header: dict[str, Any]) -> bool:
    return header["type"] == "frame"


def is_live(header: dict[str, Any]) -> bool:
    return header["type"] == "state" and header["state"] == "live"
