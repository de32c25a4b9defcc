"""A camera of raw bytes on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class RawServer:
    """Answers each request with the next of `answers`, byte for byte; then it hangs up.

    `repeats`: the last answer is given for ever. `closes`: one request a connection. `holds`: the
    connection stays open and silent.
    """

    def __init__(
        self, answers: tuple[bytes, ...], host: str, *, repeats: bool, closes: bool, holds: bool
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._answers = list(answers)
        self._repeats, self._closes, self._holds = repeats, closes, holds
        self._over = threading.Event()
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://{host}:{self.port}/cam"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(
                    threading.Thread(target=self._serve, args=(link,), daemon=True)
                )
                self._threads[-1].start()

    def _serve(self, link: socket.socket) -> None:
        with link, suppress(OSError):
            link.settimeout(5)
            while self._answers and not self._over.is_set():
                request = b""
                while b"\r\n\r\n" not in request:
                    part = link.recv(4096)
                    if not part:
                        return
                    request += part
                self.requests.append(request)
                link.sendall(self._answers[0] if self._repeats else self._answers.pop(0))
                if self._holds:
                    self._over.wait()
                if self._closes:
                    return


@contextmanager
def raw_server(
    *answers: bytes,
    host: str = "127.0.0.1",
    repeats: bool = False,
    closes: bool = False,
    holds: bool = False,
) -> Iterator[RawServer]:
    """A running server."""
    server = RawServer(answers, host, repeats=repeats, closes=closes, holds=holds)
    try:
        yield server
    finally:
        server.close()
