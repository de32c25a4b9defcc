"""Observers of an installation: they stay connected, and note what they receive and are told.

Each is one client in a thread of its own. It reconnects as the product's pages do, with the delays
of static/js/shell/retry.js. All times are monotonic seconds, but for those of pictures.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.installation import Installation
from tests.publishers import exchange, publishing, v1_frame
from tests.sockets import age_ms, next_frame, receive_and_acknowledge, watching

STALE_MS = 2700  # a page shows no older picture as live: static/js/live/freshness.js
PERIOD_S = 0.1  # of the cameras' pictures


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence, code or status that an observer received, by `who`: viewer, follower, …"""

    at: float
    who: str
    what: str


class Observer:
    """One client. Bound: it keeps all that it received until `forget`."""

    who = ""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.failure: BaseException | None = None  # of the observer itself
        self._attempts = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ending.set()
        self._thread.join(20)

    def note(self, what: str) -> None:
        """Note what the observer was told."""
        self.told.append(Told(time.monotonic(), self.who, what))

    def _connect(self) -> None:
        """Use one connection until it is lost."""
        raise NotImplementedError

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._connect()
            except InvalidStatus as refusal:
                response = refusal.response
                self.note(refused(response.status_code, response.headers.get("Retry-After", "")))
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                self.note("cut" if code == 1006 else f"closed {code}")
            except (OSError, InvalidHandshake, EOFError):
                self.note("no connection")
            except BaseException as error:
                self.failure = error
                raise
            self._attempts += 1
            self._ending.wait(retry_delay(self._attempts))


def refused(status: int, retry_after: str) -> str:
    """A refusal by its status and its `Retry-After`, which may be empty."""
    return f"{status}, Retry-After {retry_after}" if retry_after else f"{status}"


def retry_delay(attempt: int) -> float:
    """Seconds before an attempt to connect again; 1 is the first."""
    return float(2 ** (attempt - 1)) if attempt <= 5 else 30.0


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that a viewer counts as live, in arrival order.

    `order` rises with each picture of a camera; each `connection`, counted from 1, may begin with
    the last picture again. `taken` is in unix ms. `age_s` was its true age on arrival, `shown_s`
    how much longer a page would show it as live if no other came.
    """

    at: float
    connection: int
    order: tuple[int, int]
    taken: int
    age_s: float
    shown_s: float

    def is_before(self, last: Picture) -> bool:
        """True if this picture, which came after `last`, is older, or was sent twice."""
        if self.connection > last.connection:
            return self.order < last.order
        return self.order <= last.order


class Viewer(Observer):
    """A viewer of one camera on one web server, in the seed's format or `sideline.v1`."""

    who = "viewers"

    def __init__(self, web: Installation, camera: str, name: str, headers: Any, v1: bool) -> None:
        super().__init__()
        self.web, self.name, self.v1 = web, name, v1
        self.format = "sideline.v1" if v1 else "seed"
        self.pictures: list[Picture] = []
        self._connection = 0
        self._camera, self._headers = camera, headers

    def __str__(self) -> str:
        return f"a viewer of {self.name} in {self.format} on {self.web.url}"

    def is_live(self, since: float) -> bool:
        """True if several pictures arrived since then."""
        return len(self.pictures) > 2 and self.pictures[-3].at > since

    def _connect(self) -> None:
        self._connection += 1
        with watching(self.web, self._camera, v1=self.v1, headers=self._headers) as socket:
            while not self._ending.is_set():
                with contextlib.suppress(TimeoutError):
                    self._receive(socket)

    def _receive(self, socket: ClientConnection) -> None:
        message = receive_and_acknowledge(socket, 0.5) if self.v1 else next_frame(socket, 0.5)
        self._attempts = 0
        if message.get("type") == "status":
            if message["state"] != "live":
                self.note(message["state"])
        elif "timestamp" in message and message.get("age_ms", 0) < STALE_MS:
            order = message["run"], message["seq"] if self.v1 else message["timestamp"]
            age, taken = age_ms(message) / 1000, message["timestamp"]
            shown = (STALE_MS - message["age_ms"]) / 1000 if self.v1 else 0.0
            now = time.monotonic()
            self.pictures.append(Picture(now, self._connection, order, taken, age, shown))


class Device(Observer):
    """A device that pushes ten pictures a second to one web server."""

    who = "devices"

    def __init__(self, web: Installation, camera: str, headers: Any) -> None:
        super().__init__()
        self.web = web
        self._camera, self._headers = camera, headers

    def _connect(self) -> None:
        with publishing(self.web, self._camera, headers=self._headers) as socket:
            while not self._ending.wait(PERIOD_S):
                reply = exchange(socket, v1_frame())
                self._attempts = 0
                if reply.get("type") == "problem":
                    self.note(str(reply["status"]))
