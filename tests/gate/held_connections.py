"""Open connections, each read by a thread that records when and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

HTTP_ENDED = 0  # the `code` of an HTTP response that ended


class HeldConnection:
    """An open connection. `ended_at` (unix seconds) and `code` are set when it ends."""

    def __init__(self, name: str, read: Callable[[HeldConnection], int]) -> None:
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


def open_socket(name: str, url: str, headers: dict[str, str] | None = None) -> HeldConnection:
    """Open a WebSocket; its `code` is the close code."""

    def read(connection: HeldConnection) -> int:
        with connect(
            url.replace("http", "ws", 1),
            additional_headers=headers,
            proxy=None,
            open_timeout=60,
            close_timeout=1,
        ) as websocket:
            connection.opened.set()
            try:
                while True:
                    websocket.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006

    return HeldConnection(name, read)


def open_stream(name: str, url: str, headers: dict[str, str]) -> HeldConnection:
    """Open an endless HTTP response. There is no read timeout: only the server ends it."""

    def read(connection: HeldConnection) -> int:
        try:
            timeout = httpx.Timeout(60, read=None)
            with httpx.stream("GET", url, headers=headers, timeout=timeout) as response:
                assert response.status_code == 200, response.read()
                connection.opened.set()
                for _ in response.iter_raw():
                    pass
        except (httpx.ReadError, httpx.RemoteProtocolError):  # closed without the last chunk
            pass
        return HTTP_ENDED

    return HeldConnection(name, read)
