"""Connections that are held open, each by a thread that notes when and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

CUT = 0  # the code of an HTTP response that ended


class Held:
    """One open connection. `ended_at` (unix seconds) and `code` are set when it is over."""

    def __init__(self, name: str, read: Callable[[Held], int]) -> None:
        self.name = name
        self.opened = threading.Event()
        self.ended_at: float | None = None
        self.code = -1
        self._read = read
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self.opened.wait(60), f"{name} does not open"

    def _run(self) -> None:
        self.code = self._read(self)
        self.ended_at = time.time()


def socket(name: str, url: str, headers: dict[str, str] | None = None) -> Held:
    """A WebSocket."""

    def read(held: Held) -> int:
        with connect(
            url.replace("http", "ws", 1),
            additional_headers=headers,
            proxy=None,
            open_timeout=60,
            close_timeout=1,
        ) as opened:
            held.opened.set()
            try:
                while True:
                    opened.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006

    return Held(name, read)


def stream(name: str, url: str, headers: dict[str, str]) -> Held:
    """A response without an end. However long nothing comes, only the server ends it."""

    def read(held: Held) -> int:
        try:
            patience = httpx.Timeout(60, read=None)
            with httpx.stream("GET", url, headers=headers, timeout=patience) as answer:
                assert answer.status_code == 200, answer.read()
                held.opened.set()
                for _ in answer.iter_raw():
                    pass
        except (httpx.ReadError, httpx.RemoteProtocolError):  # cut, not ended
            pass
        return CUT

    return Held(name, read)
