"""A device that pushes two secret pictures in turn, and all outputs of pictures."""

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
from tests.people import Person, Scenario
from tests.publishers import answer, publishing, seed_frame, v1_frame
from tests.push_messages import send_body
from tests.sockets import next_frame, receive_and_acknowledge, watching

Found = tuple[int, bytes]  # capture time, JPEG


def bearer(installation: Installation) -> dict[str, str]:
    with installation.api() as api:
        return {"Authorization": api.headers["Authorization"]}


def is_next_taken_after(socket: ClientConnection, ms: float) -> bool:
    """True if the next message has a picture that was taken after this time (unix ms)."""
    message = receive_and_acknowledge(socket, 60)
    return "jpeg" in message and message["timestamp"] > ms


def create_token(
    installation: Installation, person: Person, name: str = "To be revoked"
) -> tuple[dict[str, str], Callable[[], None]]:
    """Create a token with the scope `read`. Return its headers, and a function that revokes it."""
    tokens = f"{installation.url}/api/v1/tokens"
    wanted = {"name": name, "scopes": ["read"]}
    made = httpx.post(tokens, json=wanted, headers=person.bearer, timeout=30)
    assert made.status_code == 201, made.text

    def revoke() -> None:
        url = f"{tokens}/{made.json()['id']}"
        assert httpx.delete(url, headers=person.bearer, timeout=30).status_code == 204

    return {"Authorization": f"Bearer {made.json()['token']}"}, revoke


def check_mjpeg_ends_when_revoked(installation: Installation, scenario: Scenario) -> None:
    """Check that an MJPEG stream continues, and ends after its token was revoked."""
    bearer_, revoke = create_token(installation, scenario["viewer"])
    url = f"{installation.url}/api/v1/cameras/{scenario.plaza}/stream.mjpeg"
    parts, revoked = 0, 0.0
    with httpx.stream("GET", url, headers=bearer_, timeout=60) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=sideline"
        for chunk in answer.iter_raw():
            parts += chunk.count(b"\r\n--sideline\r\n")
            if parts >= 5 and not revoked:
                revoke()
                revoked = time.monotonic()
            assert not revoked or time.monotonic() - revoked < 60, (
                "it continues after the token was revoked"
            )
    assert revoked, "it ended before the token was revoked"


def mask(installation: Installation, camera: str, masks: Any = MASKS) -> None:
    with installation.api() as api:
        assert api.patch(f"/cameras/{camera}", json={"masks": masks}).status_code == 200


class Device:
    """Pushes the two secrets in turn, about ten per second.

    `secrets` has the number of the secret by timestamp.
    """

    def __init__(self, installation: Installation, camera: str, way: str) -> None:
        self.secrets: dict[int, int] = {}
        self._installation, self._camera, self._way = installation, camera, way
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
        headers = bearer(self._installation)
        if self._way == "send":
            client = stack.enter_context(httpx.Client(headers=headers, timeout=30))
            url = f"{self._installation.url}/api/v1/actions/actions/send"

            def post(at: int, jpeg: bytes) -> object:
                text = base64.b64encode(jpeg).decode()
                return client.post(url, json=send_body(self._camera, timestamp=at, frame=text))

            return post
        v1 = self._way == "v1"
        socket = stack.enter_context(
            publishing(self._installation, self._camera, headers=headers, v1=v1)
        )

        def push(at: int, jpeg: bytes) -> object:
            text = base64.b64encode(jpeg).decode()
            socket.send(
                v1_frame(jpeg, timestamp=at)
                if v1
                else seed_frame(self._camera, timestamp=at, frame=text)
            )
            return answer(socket, 30)

        return push


def by_json(installation: Installation, camera: str, query: str = "") -> Iterator[Found]:
    with watching(installation, camera, headers=bearer(installation), query=query) as socket:
        while True:
            message = next_frame(socket, 60)
            yield message["timestamp"], base64.b64decode(message["frame"])


def by_v1(installation: Installation, camera: str, query: str = "") -> Iterator[Found]:
    with watching(
        installation, camera, headers=bearer(installation), v1=True, query=query
    ) as socket:
        while True:
            message = receive_and_acknowledge(socket, 60)
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
            time.sleep(0.1)  # the rate of `Device`


OUTPUTS = {"json": by_json, "v1": by_v1, "mjpeg": by_mjpeg, "snapshot": by_snapshot}
