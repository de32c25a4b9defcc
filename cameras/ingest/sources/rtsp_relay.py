"""The RTSP relay for FFmpeg: a port of this process that forwards to one camera.

FFmpeg gets the relay's address, without user name and password, and no protocol except TCP. For
each of its connections, the relay resolves the camera's name, checks and dials it, with TLS for
rtsps. The camera's messages are written anew (`rtsp_messages`), the login is answered
(`rtsp_exchange`), frames are copied. The connection is cut at a redirect. Where the camera closes
after asking for a login, the same checked IP is dialed once more.

URIs are not rewritten, so requests name 127.0.0.1: digest logins sign them, and cameras behind a
forwarded port accept foreign hosts. Certificates are not verified: see `dialing.dial`.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from cameras.ingest.sources.addresses import Address, SourceError
from cameras.ingest.sources.dialing import Permitted, connect, dial
from cameras.ingest.sources.digest import Login
from cameras.ingest.sources.rtsp_exchange import Exchange

MAX_CONNECTIONS = 8  # more are hung up on; FFmpeg opens one
BUFFER = 256 * 1024  # bytes each kernel buffer may hold, so that a slow reader is felt afar
CONNECT_S = 4.0
READ = 64 * 1024
SEND_S = 5.0  # for requests, which are small


@dataclass(slots=True)
class Outcome:
    """What came of a connection: the status of the camera's answer, or an error that ended it.

    `playing`: the camera agreed to send its video.
    """

    status: int = 0
    error: Exception | None = None
    playing: bool = False


class RTSPRelay:
    """Leads to the address that was last given to `show`. One camera; until `close`.

    Each connection has a thread of its own. It holds at most one read, besides what the kernel
    buffers; while FFmpeg does not take that, the camera is not read.
    """

    def __init__(self, permitted: Permitted) -> None:
        self.outcome = Outcome()
        self._permitted = permitted
        self._address: Address | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._thread = threading.Thread(target=self._accept, name="relay", daemon=True)
        self._thread.start()

    def show(self, address: Address) -> str:
        """The URL to give to FFmpeg for an address."""
        self._address = address
        return replace(address, scheme="rtsp", port=self.port).url("127.0.0.1", credentials=False)

    @property
    def refusal(self) -> str:
        """A sentence where the last connection was cut for what the camera did, else empty."""
        error = self.outcome.error
        return error.sentence if isinstance(error, SourceError) else ""

    def hang_up(self) -> None:
        """End every connection."""
        with self._lock:
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
        except (OSError, ValueError):
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

    def _converse(self, links: list[socket.socket]) -> None:
        """One connection of FFmpeg's, until either side ends it."""
        self._hold(links[0], None)  # `hang_up` ends it
        outcome = self.outcome = Outcome(error=TimeoutError())  # so it is until something comes
        address = self._address
        if address is None:
            return
        login = None if address.user is None else Login(address.user, address.password or "")
        exchange = Exchange(login)
        try:
            camera = connect(address, self._permitted, CONNECT_S)
            ip = str(camera.getpeername()[0])
            while True:
                links.append(camera)
                self._hold(camera, 0)
                try:
                    _send(camera, exchange.again())
                    return self._copy(links[0], camera, exchange, outcome)
                except (ConnectionError, ssl.SSLError):
                    if not exchange.reopen():
                        raise
                camera = dial(address, ip, CONNECT_S)
        except (OSError, ValueError) as error:
            outcome.error = error

    def _copy(
        self, client: socket.socket, camera: socket.socket, exchange: Exchange, outcome: Outcome
    ) -> None:
        """Copy until FFmpeg hangs up; what goes wrong with the camera is raised."""
        poll = select.poll()
        for link in (client, camera):
            poll.register(link, select.POLLIN)
        while True:
            ready = [number for number, _ in poll.poll()]
            if client.fileno() in ready:
                asked = _taken(client)
                if not asked:
                    return
                _send(camera, exchange.ask(asked))
            if camera.fileno() in ready:
                for part in _received(camera):
                    given, sent = exchange.answer(part)
                    outcome.status, outcome.playing = exchange.status, exchange.playing
                    if given and not _given(client, given):
                        return
                    if exchange.closing:
                        raise ConnectionResetError
                    _send(camera, sent)
            outcome.error = TimeoutError() if exchange.waiting else None


def _send(camera: socket.socket, data: bytes) -> None:
    if data:
        camera.settimeout(SEND_S)
        camera.sendall(data)
        camera.settimeout(0)


def _taken(client: socket.socket) -> bytes:
    try:
        return client.recv(READ)
    except OSError:
        return b""


def _given(client: socket.socket, data: bytes) -> bool:
    """Whether FFmpeg still takes it; waits until it does."""
    try:
        client.sendall(data)
    except OSError:
        return False
    return True


def _received(camera: socket.socket) -> Iterator[bytes]:
    """What has come. Nothing where TLS spoke for itself. Raises `OSError`, also at the end."""
    while True:
        try:
            part = camera.recv(READ)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if not part:
            raise ConnectionResetError
        yield part
        if not isinstance(camera, ssl.SSLSocket) or not camera.pending():
            return
