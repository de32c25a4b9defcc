"""The base class of the HTTP proxy and the RTSP relay: a port of 127.0.0.1 that FFmpeg uses."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.client import HTTPException

MAX_CONNECTIONS = 32  # more are hung up on; FFmpeg opens one for each quality of a playlist
BUFFER = 256 * 1024  # bytes each kernel buffer may hold, so that a paced reader is felt afar
CONNECT_S = 4.0


class Egress:
    """Listens, and serves each connection in a thread of its own, until `close`. One camera each.

    `recorded` tells whether a recording or a playlist was read, which come as fast as they are
    taken.
    """

    def __init__(self) -> None:
        self.recorded = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._thread = threading.Thread(target=self._accept, name="egress", daemon=True)
        self._thread.start()

    @property
    def refusal(self) -> str:
        """A sentence where the last connection was cut for what the camera did, else empty."""
        return ""

    def hang_up(self) -> None:
        """End every connection, and forget how they went."""
        with self._lock:
            self.recorded = False
            self._forget()
            for link in self._sockets:
                with suppress(OSError):  # not SSLSocket's own, which is for the thread that reads
                    socket.socket.shutdown(link, socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening and end every connection; the threads end with them."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(1.0)
        self._listener.close()
        self.hang_up()

    def _forget(self) -> None:
        """Drop what is remembered of connections. Called with the lock held."""

    def _converse(self, links: list[socket.socket]) -> None:
        """Serve the client, `links[0]`; what is dialed for it is appended."""
        raise NotImplementedError

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._slots.acquire(blocking=False):
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()
            else:
                client.close()

    def _serve(self, client: socket.socket) -> None:
        """Where FFmpeg hangs up it is over; where the camera does, `_converse` noted that."""
        links = [client]
        try:
            self._converse(links)
        except (OSError, ValueError, HTTPException):
            pass
        finally:
            with self._lock:
                self._sockets.difference_update(links)
            for link in links:
                link.close()
            self._slots.release()

    def _hold(self, link: socket.socket, timeout: float | None) -> None:
        """Make a connection one that `hang_up` ends, and its buffers small."""
        link.settimeout(timeout)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            link.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        with self._lock:
            self._sockets.add(link)
