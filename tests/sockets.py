"""WebSocket clients for tests."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.installation import Installation


@contextlib.contextmanager
def watching(
    installation: Installation,
    camera: str,
    *,
    headers: dict[str, str] | None = None,
    v1: bool = False,
    origin: str | None = None,
    query: str = "",
    open_timeout: float = 30,
) -> Iterator[ClientConnection]:
    """Open a stream socket. Raises `InvalidStatus` if the handshake is refused."""
    with connect(
        f"ws://127.0.0.1:{installation.port}/ws/stream/{camera}{query}",
        additional_headers=headers or {},
        origin=origin,  # type: ignore[arg-type]
        subprotocols=["sideline.v1"] if v1 else None,  # type: ignore[list-item]
        max_size=None,
        compression=None,
        open_timeout=open_timeout,
        close_timeout=1,
        proxy=None,
    ) as socket:
        yield socket


def refusal(installation: Installation, camera: str, **options: Any) -> int:
    """Return the HTTP status of a refused handshake, else the close code; 200 if data arrives."""
    try:
        with watching(installation, camera, **options) as socket:
            socket.recv(timeout=30)
    except InvalidStatus as refused:
        return refused.response.status_code
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    return 200


def next_frame(socket: ClientConnection, timeout: float = 30) -> dict[str, Any]:
    """Receive the next frame in the seed's format."""
    message: dict[str, Any] = json.loads(socket.recv(timeout=timeout))
    return message


def v1_message(socket: ClientConnection, timeout: float = 30) -> dict[str, Any]:
    """Receive the next `sideline.v1` message, without acknowledging it.

    A frame has its picture as `jpeg`.
    """
    message = socket.recv(timeout=timeout)
    if isinstance(message, str):
        status: dict[str, Any] = json.loads(message)
        return status
    (length,) = struct.unpack_from(">I", message)
    header: dict[str, Any] = json.loads(message[4 : 4 + length])
    return header | {"jpeg": message[4 + length :]}


def receive_for(socket: ClientConnection, seconds: float) -> list[dict[str, Any]]:
    """Receive `sideline.v1` messages for some seconds, without acknowledging them."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            found.append(v1_message(socket, timeout=left))
        except TimeoutError:
            break
    return found


def receive_and_acknowledge(socket: ClientConnection, timeout: float = 30) -> dict[str, Any]:
    """Receive the next `sideline.v1` message; acknowledge it if it is a frame."""
    message = v1_message(socket, timeout)
    if "seq" in message:
        socket.send(json.dumps({"ack": message["seq"]}))
    return message


def next_picture(
    socket: ClientConnection,
    receive: Callable[[ClientConnection, float], dict[str, Any]] = receive_and_acknowledge,
) -> dict[str, Any]:
    """Receive the next message with a picture, by `receive`."""
    while True:
        message = receive(socket, 60)
        if "jpeg" in message:
            return message


def age_ms(message: dict[str, Any]) -> float:
    """Return the age (ms) of the picture in a message; infinite without a picture."""
    taken = message.get("timestamp")
    return float("inf") if taken is None else time.time() * 1000 - float(taken)


def close_code(socket: ClientConnection, seconds: float) -> int:
    """Wait until the server closes the socket and return the code; ignore frames until then."""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            socket.recv(timeout=seconds)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    raise AssertionError(f"still open after {seconds} s")


def pixels(encoded: str | bytes) -> np.ndarray[Any, Any]:
    """Decode a JPEG; return it as height × width × 3."""
    data = base64.b64decode(encoded) if isinstance(encoded, str) else encoded
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def jpeg(width: int = 64, height: int = 48, shade: int = 90) -> bytes:
    """Return a grey JPEG."""
    done, data = cv2.imencode(".jpg", np.full((height, width, 3), shade, np.uint8))
    assert done
    return bytes(data)
