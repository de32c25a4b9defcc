"""A WebSocket client for tests that publishes frames to `/ws/publish/`."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.installation import Installation
from tests.push_messages import now, picture
from tests.sockets import jpeg


@contextlib.contextmanager
def publishing(
    installation: Installation,
    camera: str,
    *,
    headers: dict[str, str] | None = None,
    v1: bool = True,
    origin: str | None = None,
    query: str = "",
) -> Iterator[ClientConnection]:
    """Open a socket. Raises `InvalidStatus` if the handshake is refused."""
    with connect(
        f"ws://127.0.0.1:{installation.port}/ws/publish/{camera}{query}",
        additional_headers=headers or {},
        origin=origin,  # type: ignore[arg-type]
        subprotocols=["sideline.v1"] if v1 else None,  # type: ignore[list-item]
        compression=None,
        open_timeout=60,
        close_timeout=1,
        proxy=None,
    ) as socket:
        yield socket


def v1_frame(content: bytes | None = None, **header: Any) -> bytes:
    """Return a `sideline.v1` message, by default a grey picture of now; `...` omits a key."""
    fields = {
        key: value for key, value in ({"timestamp": now()} | header).items() if value is not ...
    }
    head = json.dumps(fields).encode()
    return struct.pack(">I", len(head)) + head + (jpeg() if content is None else content)


def padded(mebibytes: float) -> bytes:
    """Return a valid JPEG of this size in MiB."""
    return jpeg()[:-2] + b"\0" * int(mebibytes * 2**20) + b"\xff\xd9"


def seed_frame(camera: str, **changes: Any) -> str:
    """Return the seed's `FrameData`, by default a grey picture of now; `...` omits a key."""
    fields = {"frame": picture(), "timestamp": now(), "camera_id": camera} | changes
    return json.dumps({key: value for key, value in fields.items() if value is not ...})


def answer(socket: ClientConnection, timeout: float = 30) -> dict[str, Any]:
    """Receive the next answer."""
    received: dict[str, Any] = json.loads(socket.recv(timeout=timeout))
    return received


def exchange(socket: ClientConnection, message: bytes | str) -> dict[str, Any]:
    """Send a message and return the answer."""
    socket.send(message)
    return answer(socket)


def outcome(installation: Installation, camera: str, **how: Any) -> int:
    """Return the HTTP status of a refused handshake, a close code, or 200 for an accepted frame."""
    try:
        with publishing(installation, camera, **how) as socket:
            reply = exchange(socket, v1_frame())
            assert "ack" in reply, reply
            return 200
    except InvalidStatus as refused:
        return refused.response.status_code
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
