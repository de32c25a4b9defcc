"""The RTSP relay for FFmpeg: a port of this process that forwards to one camera.

FFmpeg gets the relay's address and no protocol except TCP. For each of its connections, the relay
resolves the camera's name, checks and dials it, with TLS for rtsps, and copies bytes both ways. It
filters the camera's messages (`rtsp_messages`) and cuts the connection at a redirect.

URIs are not rewritten, so requests name 127.0.0.1: digest logins sign them, and cameras behind a
forwarded port accept foreign hosts. Certificates are not verified: see `dialing.dial`.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cameras.ingest.sources.addresses import Address, SourceError
from cameras.ingest.sources.dialing import Permitted, connect
from cameras.ingest.sources.egress import CONNECT_S, Egress
from cameras.ingest.sources.rtsp_messages import ResponseFilter

READ = 64 * 1024
SEND_S = 5.0  # for FFmpeg's requests, which are small


@dataclass(slots=True)
class Outcome:
    """What came of a connection: the status of the camera's answer, or an error that ended it."""

    status: int = 0
    error: Exception | None = None


class RTSPRelay(Egress):
    """Leads to the address that was last given to `show`.

    Holds at most one read, besides what the kernel buffers; while FFmpeg does not take that, the
    camera is not read.
    """

    def __init__(self, permitted: Permitted) -> None:
        self.outcome = Outcome()
        self._permitted = permitted
        self._address: Address | None = None
        super().__init__()

    def show(self, address: Address) -> str:
        """The URL to give to FFmpeg for an address."""
        self._address = address
        return replace(address, scheme="rtsp", port=self.port).url("127.0.0.1")

    @property
    def refusal(self) -> str:
        """As it is told to users."""
        error = self.outcome.error
        return error.sentence if isinstance(error, SourceError) else ""

    def _forget(self) -> None:
        self.outcome = Outcome()

    def _converse(self, links: list[socket.socket]) -> None:
        """One connection of FFmpeg's, until either side ends it."""
        self._hold(links[0], None)  # `hang_up` ends it
        outcome = self.outcome = Outcome(error=TimeoutError())  # so it is until something comes
        if self._address is None:
            return
        try:
            camera = connect(self._address, self._permitted, CONNECT_S)
            links.append(camera)
            self._hold(camera, 0)
            self._copy(links[0], camera, outcome)
        except (OSError, ValueError) as error:
            outcome.error = error

    def _copy(self, client: socket.socket, camera: socket.socket, outcome: Outcome) -> None:
        """Copy until FFmpeg hangs up; what goes wrong with the camera is raised."""
        said = ResponseFilter()
        poll = select.poll()
        for link in (client, camera):
            poll.register(link, select.POLLIN)
        while True:
            ready = [number for number, _ in poll.poll()]
            if client.fileno() in ready:
                asked = _taken(client)
                if not asked:
                    return
                camera.settimeout(SEND_S)
                camera.sendall(asked)
                camera.settimeout(0)
            if camera.fileno() in ready:
                parts = [said.feed(part) for part in _received(camera)]
                outcome.status, outcome.error = said.status, None
                if not _given(client, b"".join(parts)):
                    return


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
