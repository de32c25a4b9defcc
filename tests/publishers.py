"""Who sends frames over `/ws/publish/`: a real WebSocket client for tests."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.installation import Installation
from tests.parcels import now, picture
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
    """An open socket. Raises `InvalidStatus` where the handshake is refused."""
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


def v1_parcel(content: bytes | None = None, **header: Any) -> bytes:
    """A `sideline.v1` message; a grey picture of now unless told otherwise, `...` leaves out."""
    facts = {
        key: value for key, value in ({"timestamp": now()} | header).items() if value is not ...
    }
    head = json.dumps(facts).encode()
    return struct.pack(">I", len(head)) + head + (jpeg() if content is None else content)


def padded(mebibytes: float) -> bytes:
    """A good JPEG of so many MiB."""
    return jpeg()[:-2] + b"\0" * int(mebibytes * 2**20) + b"\xff\xd9"


def seed_parcel(camera: str, **changes: Any) -> str:
    """The seed's `FrameData`; a grey picture of now unless told otherwise, `...` leaves out."""
    made = {"frame": picture(), "timestamp": now(), "camera_id": camera} | changes
    return json.dumps({key: value for key, value in made.items() if value is not ...})


def answer(socket: ClientConnection, timeout: float = 30) -> dict[str, Any]:
    """The next answer."""
    made: dict[str, Any] = json.loads(socket.recv(timeout=timeout))
    return made


def asked(socket: ClientConnection, message: bytes | str) -> dict[str, Any]:
    """Send a message; the answer to it."""
    socket.send(message)
    return answer(socket)


def outcome(installation: Installation, camera: str, **how: Any) -> int:
    """HTTP status of a refused handshake, else the close code; 200 where a frame is accepted."""
    try:
        with publishing(installation, camera, **how) as socket:
            said = asked(socket, v1_parcel())
            assert "ack" in said, said
            return 200
    except InvalidStatus as refused:
        return refused.response.status_code
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006
