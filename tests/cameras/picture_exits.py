"""A device that pushes two secrets in turn, all exits by which pictures leave, and their end."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from websockets.sync.client import ClientConnection

from tests.installation import Installation
from tests.masked import MASKS, secret_jpeg
from tests.parcels import parcel
from tests.people import Cast, Person
from tests.publishers import answer, publishing, seed_parcel, v1_parcel
from tests.sockets import acknowledged, frame, watching

Found = tuple[int, bytes]  # capture time, JPEG


def bearer(installation: Installation) -> dict[str, str]:
    with installation.api() as api:
        return {"Authorization": api.headers["Authorization"]}


def taken_after(socket: ClientConnection, ms: float) -> bool:
    """The next message has a picture, and that was taken after this moment."""
    message = acknowledged(socket, 60)
    return "jpeg" in message and message["timestamp"] > ms


def revocable(
    installation: Installation, person: Person, name: str = "To be revoked"
) -> tuple[dict[str, str], Callable[[], None]]:
    """The headers of a new token of a person, to watch with, and a function that revokes it."""
    tokens = f"{installation.url}/api/v1/tokens"
    wanted = {"name": name, "scopes": ["read"]}
    made = httpx.post(tokens, json=wanted, headers=person.bearer, timeout=30)
    assert made.status_code == 201, made.text

    def revoke() -> None:
        url = f"{tokens}/{made.json()['id']}"
        assert httpx.delete(url, headers=person.bearer, timeout=30).status_code == 204

    return {"Authorization": f"Bearer {made.json()['token']}"}, revoke


def plays_until_withdrawn(installation: Installation, cast: Cast) -> None:
    """A stream as MJPEG goes on, and ends after its token is revoked."""
    bearer_, revoke = revocable(installation, cast["viewer"])
    url = f"{installation.url}/api/v1/cameras/{cast.plaza}/stream.mjpeg"
    parts, revoked = 0, 0.0
    with httpx.stream("GET", url, headers=bearer_, timeout=60) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=sideline"
        for chunk in answer.iter_raw():
            parts += chunk.count(b"\r\n--sideline\r\n")
            if parts >= 5 and not revoked:
                revoke()
                revoked = time.monotonic()
            assert not revoked or time.monotonic() - revoked < 60, "it goes on"
    assert revoked, "it ended by itself"


def mask(installation: Installation, camera: str, masks: Any = MASKS) -> None:
    with installation.api() as api:
        assert api.patch(f"/cameras/{camera}", json={"masks": masks}).status_code == 200


class Device:
    """Pushes the two secrets in turn, some ten a second. `secrets` tells which was when."""

    def __init__(self, installation: Installation, camera: str, way: str) -> None:
        self.secrets: dict[int, int] = {}
        self._house, self._camera, self._way = installation, camera, way
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Device:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            send = self._sender(stack)
            while not self._stop.wait(0.1):
                at, secret = int(time.time() * 1000), 1 + len(self.secrets) % 2
                self.secrets[at] = secret
                send(at, secret_jpeg(secret))

    def _sender(self, stack: contextlib.ExitStack) -> Callable[[int, bytes], object]:
        headers = bearer(self._house)
        if self._way == "send":
            client = stack.enter_context(httpx.Client(headers=headers, timeout=30))
            url = f"{self._house.url}/api/v1/actions/actions/send"

            def post(at: int, jpeg: bytes) -> object:
                text = base64.b64encode(jpeg).decode()
                return client.post(url, json=parcel(self._camera, timestamp=at, frame=text))

            return post
        v1 = self._way == "v1"
        socket = stack.enter_context(publishing(self._house, self._camera, headers=headers, v1=v1))

        def speak(at: int, jpeg: bytes) -> object:
            text = base64.b64encode(jpeg).decode()
            socket.send(
                v1_parcel(jpeg, timestamp=at)
                if v1
                else seed_parcel(self._camera, timestamp=at, frame=text)
            )
            return answer(socket, 30)

        return speak


def by_json(installation: Installation, camera: str, query: str = "") -> Iterator[Found]:
    with watching(installation, camera, headers=bearer(installation), query=query) as socket:
        while True:
            message = frame(socket, 60)
            yield message["timestamp"], base64.b64decode(message["frame"])


def by_v1(installation: Installation, camera: str, query: str = "") -> Iterator[Found]:
    with watching(
        installation, camera, headers=bearer(installation), v1=True, query=query
    ) as socket:
        while True:
            message = acknowledged(socket, 60)
            if "jpeg" in message:
                yield message["timestamp"], message["jpeg"]


def by_mjpeg(installation: Installation, camera: str, query: str = "") -> Iterator[Found]:
    url = f"{installation.url}/api/v1/cameras/{camera}/stream.mjpeg{query}"
    with httpx.stream("GET", url, headers=bearer(installation), timeout=30) as stream:
        left = b""
        for chunk in stream.iter_raw():
            left += chunk
            while (start := left.find(b"\xff\xd8")) >= 0:
                head = left[:start]
                length = int(head.rpartition(b"Content-Length: ")[2].split(b"\r")[0])
                if len(left) < start + length:
                    break
                stamp = int(head.rpartition(b"X-Timestamp: ")[2].split(b"\r")[0])
                yield stamp, left[start : start + length]
                left = left[start + length :]


def by_snapshot(installation: Installation, camera: str, query: str = "") -> Iterator[Found]:
    url = f"{installation.url}/api/v1/cameras/{camera}/snapshot.jpg{query}"
    with httpx.Client(headers=bearer(installation), timeout=30) as client:
        while True:
            found = client.get(url)
            if found.status_code == 200:
                yield int(found.headers["X-Timestamp"]), found.content
            time.sleep(0.1)  # devices push no faster


EXITS = {"json": by_json, "v1": by_v1, "mjpeg": by_mjpeg, "snapshot": by_snapshot}
