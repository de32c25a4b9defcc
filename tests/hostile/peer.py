"""A WebSocket and HTTP client at byte level, which can violate the protocols."""

from __future__ import annotations

import base64
import os
import socket
import struct
from typing import Any

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x5a\x00\xff\x13"


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, masked: bool = True,
    announced: int | None = None,
) -> bytes:  # fmt: skip
    """Encode a frame. `announced` replaces the length in its header."""
    length = len(payload) if announced is None else announced
    if length > 0xFFFF:
        size = struct.pack(">BQ", 127 | masked << 7, length)
    elif length > 125:
        size = struct.pack(">BH", 126 | masked << 7, length)
    else:
        size = struct.pack(">B", length | masked << 7)
    head = struct.pack(">B", fin << 7 | rsv << 4 | opcode) + size
    return head + (MASK + _masked(payload) if masked else payload)


def _masked(payload: bytes) -> bytes:
    long = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(long, "big")).to_bytes(
        len(payload), "big"
    )


class Closed(Exception):
    """The connection ended. `code` is that of the server's close frame, 1006 without one."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Peer:
    """A WebSocket connection. Raises `Closed`, or `TimeoutError` after a minute without data."""

    def __init__(self, port: int, path: str, bearer: dict[str, str], *, v1: bool) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._buffer = b""
        lines = [
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *(["Sec-WebSocket-Protocol: sideline.v1"] if v1 else []),
            *(f"{name}: {value}" for name, value in bearer.items()),
        ]  # fmt: skip
        self.send("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self._buffer:
            self._read_more()
        answer, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # data that arrived before can still be read

    def receive(self) -> tuple[int, bytes]:
        """Receive a frame; return its opcode and payload. Answers pings."""
        first, second = self._read_exactly(2)
        length = second & 0x7F
        if length > 125:
            wide = ">H" if length == 126 else ">Q"
            (length,) = struct.unpack(wide, self._read_exactly(struct.calcsize(wide)))
        payload = self._read_exactly(length)
        if first & 0xF == CLOSE:
            raise Closed(struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005)
        if first & 0xF == PING:
            self.send(frame(PONG, payload))
        return first & 0xF, payload

    def _read_exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._read_more()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _read_more(self) -> None:
        try:
            data = self._socket.recv(262_144)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(1006)
        self._buffer += data

    def close(self) -> None:
        self._socket.close()


def exchange(
    port: int, request: bytes, *, hang_up: bool = False
) -> tuple[int, dict[str, str], bytes]:
    """Send a request; return status, headers and body of the response. Status 0: no response.

    `hang_up` shuts down the sending side, for requests that announce more than they send.
    """
    with socket.create_connection(("127.0.0.1", port), 60) as link:
        received = b""
        try:
            link.sendall(request)
            if hang_up:
                link.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before it was completely sent
        try:
            while data := link.recv(262_144):
                received += data
        except ConnectionResetError:
            pass
    received = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
    return (int(status.split()[1]) if status else 0), headers, body


def request(body: bytes, path: str, headers: list[tuple[str, Any]]) -> bytes:
    """Encode a POST request with exactly these headers."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass") + body
