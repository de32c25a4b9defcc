"""Callers: requests of each kind to one web server, one after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.exceptions import InvalidHandshake

from tests.faults.observers import Observer, refused
from tests.installation import Installation
from tests.sockets import refusal

PAUSE_S = 0.2
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request and its outcome: a status, a close code of a socket, or 0 without an answer."""

    began: float
    ended: float
    what: str
    status: int


class Caller(Observer):
    """Asks for health, a page, the API and a snapshot; creates a chat; opens a socket."""

    who = "callers"

    def __init__(self, web: Installation, camera: str, headers: Any, session: str) -> None:
        super().__init__()
        self.web = web
        self.calls: list[Call] = []
        self._camera, self._headers = camera, headers
        cookie = {"Cookie": f"sideline_session={session}"}
        self._requests: dict[str, tuple[str, str, dict[str, Any]]] = {
            "healthz": ("GET", "/healthz", {}),
            "readyz": ("GET", "/readyz", {}),
            "page": ("GET", "/", {"headers": cookie}),
            "list": ("GET", "/api/v1/cameras", {"headers": headers}),
            "snapshot": ("GET", f"/api/v1/cameras/{camera}/snapshot.jpg", {"headers": headers}),
            "new chat": ("POST", "/api/v1/actions/chats", {"headers": headers, "json": {}}),
        }

    def __str__(self) -> str:
        return f"a caller of {self.web.url}"

    def is_served(self, since: float) -> bool:
        """True if the last request of each kind began after `since` and succeeded."""
        last = {call.what: call for call in self.calls if call.began > since}
        return len(last) == len(self._requests) + 1 and all(
            200 <= call.status < 300 for call in last.values()
        )

    def _run(self) -> None:
        try:
            with httpx.Client(base_url=self.web.url, timeout=PATIENCE_S) as client:
                while not self._ending.is_set():
                    for what in self._requests:
                        self._call(client, what)
                        if self._ending.wait(PAUSE_S):
                            return
                    self._open_socket()
        except BaseException as error:
            self.failure = error
            raise

    def _call(self, client: httpx.Client, what: str) -> None:
        method, path, options = self._requests[what]
        began, status = time.monotonic(), 0
        try:
            response = client.request(method, path, **options)
        except httpx.ConnectError:
            self.note("no connection")
        except httpx.TransportError:
            self.note("cut")
        else:
            status = response.status_code
            if not 200 <= status < 300:
                after = response.headers.get("Retry-After", "")
                self.note(refused(status, after) if after else f"{what} {status}")
        self.calls.append(Call(began, time.monotonic(), what, status))

    def _open_socket(self) -> None:
        """Open a socket, as a new viewer would. Its status is that of a request."""
        began, status = time.monotonic(), 0
        try:
            status = refusal(self.web, self._camera, headers=self._headers, v1=True)
        except (OSError, InvalidHandshake):
            self.note("no connection")
        else:
            if status != 200:
                self.note(f"new socket {status}")
        self.calls.append(Call(began, time.monotonic(), "socket", status))
