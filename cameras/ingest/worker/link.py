"""The worker's end of its link: sends packets without ever blocking capture, receives packets.

Bounds: one frame per width and one still (the newest wins), eight states (the oldest is dropped).
States are sent first, then the oldest entry.
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

SEND_BUFFER = 256 * 1024  # bytes; small, so that a slow supervisor is noticed early


class WorkerLink:
    """Owns the socket and the thread that writes to it. Ends the process if the peer is gone."""

    def __init__(self, link: socket.socket) -> None:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._socket = link
        self._states: deque[dict[str, Any]] = deque(maxlen=8)
        self._pictures: dict[tuple[str, int], tuple[dict[str, Any], bytes]] = {}
        self._busy = False
        self._changed = threading.Condition()
        threading.Thread(target=self._write, name="link", daemon=True).start()

    def send_state(self, header: dict[str, Any]) -> None:
        """Queue a state packet."""
        with self._changed:
            self._states.append(header)
            self._changed.notify_all()

    def send_picture(self, header: dict[str, Any], jpeg: bytes) -> None:
        """Queue a frame or a still; it replaces an unsent one of the same width."""
        with self._changed:
            self._pictures[header["type"], header.get("variant", NATIVE)] = (header, jpeg)
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
                os._exit(0)  # the supervisor is gone
