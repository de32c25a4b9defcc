"""Links: local sockets that carry packets between a worker, the ingest process and `serve`.

Django-free, because a worker imports it. With Redis, `redis_link.py` stands in for the link between
the ingest process and the web.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, Protocol

from cameras.live.ages import stamp
from cameras.live.jpeg import FrameError
from cameras.live.packets import PacketReader, pack
from cameras.live.variants import NATIVE

ROOT = Path(__file__).resolve().parents[2]
Packet = tuple[dict[str, Any], bytes]
BACKLOG_BYTES = 2 * 1024 * 1024  # above this a frame is dropped; states are small and always go
SEND_BUFFER = 256 * 1024  # bytes of a worker; small, so that a slow ingest process is noticed early
CHUNK = 1 << 18


class LinkLost(ConnectionError):
    """The other side closed the link or broke the packet format."""


class Link(Protocol):
    """The supervisor's interface to the web processes."""

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Send a worker's packet, without waiting for the peer. False if it was dropped."""

    def receive(self) -> AsyncGenerator[Packet, None]:
        """Yield `demand` and `push` packets. Raises `LinkLost` at the end."""


class SocketLink:
    """One end of a local socket that carries packets. Bound: `BACKLOG_BYTES` of unsent data."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def from_socket(cls, end: socket.socket) -> SocketLink:
        """Return a link over a connected socket and take ownership of the socket."""
        return cls(*await asyncio.open_connection(sock=end))

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Write without waiting. False if the backlog is full and a payload was dropped.

        Raises `LinkLost` if the link is closed.
        """
        if self._writer.is_closing():
            raise LinkLost("The link is closed.")
        if payload and self._writer.transport.get_write_buffer_size() >= BACKLOG_BYTES:
            return False
        self._writer.write(pack(header, payload))
        return True

    async def receive(self) -> AsyncGenerator[Packet, None]:
        """Yield packets. Raises `LinkLost` when the other side closes the link."""
        packets = PacketReader()
        while True:
            try:
                data = await self._reader.read(CHUNK)
                if not data:
                    raise LinkLost("The other side closed the link.")
                for packet in packets.feed(data):
                    yield packet
            except (FrameError, ConnectionError) as error:
                raise LinkLost(str(error)) from None

    def close(self) -> None:
        """Close the link; the other side reads end of file."""
        self._writer.close()


class WorkerLink:
    """A worker's end: sends packets without ever blocking capture. Ends the process if the peer is
    gone.

    Owns the socket and the thread that writes to it. Bounds: one frame per width and one still (the
    newest wins), eight states (the oldest is dropped). States go first, then the oldest entry.
    """

    def __init__(self, link: socket.socket) -> None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._socket = link
        self._states: deque[dict[str, Any]] = deque(maxlen=8)
        self._pictures: dict[tuple[str, int], tuple[dict[str, Any], bytes, float]] = {}
        self._busy = False
        self._changed = threading.Condition()
        threading.Thread(target=self._write, name="link", daemon=True).start()

    def send_state(self, header: dict[str, Any]) -> None:
        """Queue a state packet."""
        with self._changed:
            self._states.append(header)
            self._changed.notify_all()

    def send_picture(self, header: dict[str, Any], jpeg: bytes, captured_at: float) -> None:
        """Queue a frame or a still; it replaces an unsent one of the same width.

        `captured_at` is in seconds of `time.monotonic`.
        """
        with self._changed:
            kind = header["type"], header.get("variant", NATIVE)
            self._pictures[kind] = header, jpeg, captured_at
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until everything is written. False if it is not."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._states or self._pictures or self._busy), timeout
            )

    def packets(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield packets until the other side closes the link or breaks the packet format."""
        reader = PacketReader()
        while True:
            try:
                data = self._socket.recv(CHUNK)
                if not data:
                    return
                yield from reader.feed(data)
            except (OSError, FrameError):
                return

    def _next(self) -> bytes:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._states or self._pictures)
            self._busy = True
            if self._states:
                return pack(self._states.popleft() | stamp())
            header, jpeg, captured_at = self._pictures.pop(next(iter(self._pictures)))
            return pack(header | stamp(captured_at), jpeg)

    def _write(self) -> None:
        while True:
            try:
                self._socket.sendall(self._next())
            except OSError:
                os._exit(0)  # the supervisor is gone


async def start_process(
    *command: str, environment: dict[str, str]
) -> tuple[subprocess.Popen[bytes], SocketLink]:
    """Start a Python process with these arguments; the last one is its end of the link.

    `environment` is all that it gets. Raises `OSError` if the machine has no process or descriptor
    left; nothing stays open then.
    """
    ours, theirs = socket.socketpair()
    process = None
    try:
        with theirs:
            process = subprocess.Popen(  # nosec B603  # a fixed list of arguments
                [sys.executable, *command, str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C reaches only the parent, which ends this process
            )
        return process, await SocketLink.from_socket(ours)
    except BaseException:
        ours.close()
        if process is not None:
            process.kill()
            process.wait()
        raise
