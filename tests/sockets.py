"""A real WebSocket client for tests."""

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
    """An open stream socket. Raises `InvalidStatus` where the handshake is refused."""
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


def refusal(installation: Installation, camera: str, **how: Any) -> int:
    """HTTP status of a refused handshake, else the close code; fails if frames come instead."""
    try:
        with watching(installation, camera, **how) as socket:
            socket.recv(timeout=30)
    except InvalidStatus as refused:
        return refused.response.status_code
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    return 200


def frame(socket: ClientConnection, timeout: float = 30) -> dict[str, Any]:
    """The next frame in the seed's format."""
    made: dict[str, Any] = json.loads(socket.recv(timeout=timeout))
    return made


def v1_message(socket: ClientConnection, timeout: float = 30) -> dict[str, Any]:
    """The next `sideline.v1` message; a frame has its picture under `jpeg`, not acknowledged."""
    message = socket.recv(timeout=timeout)
    if isinstance(message, str):
        status: dict[str, Any] = json.loads(message)
        return status
    (length,) = struct.unpack_from(">I", message)
    header: dict[str, Any] = json.loads(message[4 : 4 + length])
    return header | {"jpeg": message[4 + length :]}


def heard(socket: ClientConnection, seconds: float) -> list[dict[str, Any]]:
    """The `sideline.v1` messages that come within so many seconds, not acknowledged."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            found.append(v1_message(socket, timeout=left))
        except TimeoutError:
            break
    return found


def acknowledged(socket: ClientConnection, timeout: float = 30) -> dict[str, Any]:
    """The next `sideline.v1` message; a frame is acknowledged at once."""
    message = v1_message(socket, timeout)
    if "seq" in message:
        socket.send(json.dumps({"ack": message["seq"]}))
    return message


def next_picture(
    socket: ClientConnection,
    told: Callable[[ClientConnection, float], dict[str, Any]] = acknowledged,
) -> dict[str, Any]:
    """The next message with a picture. It is acknowledged, unless `told` is `v1_message`."""
    while True:
        message = told(socket, 60)
        if "jpeg" in message:
            return message


def age_ms(message: dict[str, Any]) -> float:
    """Milliseconds since the picture in a message was taken; infinite without a picture."""
    taken = message.get("timestamp")
    return float("inf") if taken is None else time.time() * 1000 - float(taken)


def ended(socket: ClientConnection, seconds: float) -> int:
    """The code with which the server closes within so many seconds; frames go by meanwhile."""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            socket.recv(timeout=seconds)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
    raise AssertionError(f"still open after {seconds} s")


def pixels(encoded: str | bytes) -> np.ndarray[Any, Any]:
    """The decoded picture, height × width × 3."""
    data = base64.b64decode(encoded) if isinstance(encoded, str) else encoded
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def jpeg(width: int = 64, height: int = 48, shade: int = 90) -> bytes:
    """A small grey JPEG."""
    done, data = cv2.imencode(".jpg", np.full((height, width, 3), shade, np.uint8))
    assert done
    return bytes(data)
