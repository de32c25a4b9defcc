"""A worker's end of its link: packets up without ever making capture wait, packets down.

Bounded buffers: one frame of each width and one still (newest wins), eight states (oldest dropped).
States go first, then what has waited longest.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from cameras.live.jpeg import FrameError
from cameras.live.packets import PacketReader, pack
from cameras.live.variants import NATIVE

SEND_BUFFER = 256 * 1024  # bytes the kernel may hold, so that a slow reader is noticed early


class WorkerLink:
    """Owns the socket and the thread that writes to it. When the peer is gone the process ends."""

    def __init__(self, link: socket.socket) -> None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._socket = link
        self._states: deque[dict[str, Any]] = deque(maxlen=8)
        self._pictures: dict[tuple[str, int], tuple[dict[str, Any], bytes]] = {}
        self._busy = False
        self._changed = threading.Condition()
        threading.Thread(target=self._write, name="link", daemon=True).start()

    def state(self, header: dict[str, Any]) -> None:
        """Queue a state packet."""
        with self._changed:
            self._states.append(header)
            self._changed.notify_all()

    def picture(self, header: dict[str, Any], jpeg: bytes) -> None:
        """Offer a frame of a `variant` or a still; it replaces one that still waits."""
        with self._changed:
            self._pictures[header["type"], header.get("variant", NATIVE)] = (header, jpeg)
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until everything is written, for at most `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._states or self._pictures or self._busy), timeout
            )

    def packets(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Packets from the other side, until it closes the link or breaks the format."""
        reader = PacketReader()
        while True:
            try:
                data = self._socket.recv(262_144)
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
                return pack(self._states.popleft())
            return pack(*self._pictures.pop(next(iter(self._pictures))))

    def _write(self) -> None:
        while True:
            try:
                self._socket.sendall(self._next())
            except OSError:
                os._exit(0)  # nobody is there to tell
