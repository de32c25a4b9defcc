"""A small client of Sideline: copy this file and `sideline_types.py` into your program.

    with Sideline.sign_in("http://127.0.0.1:7103", "coach", "correct horse battery") as club:
        for camera in club.cameras():
            print(camera["name"], camera["state"]["state"])
        print(club.answer("What plays worked well last game?"))

Needs Python 3.11, `httpx` and `websockets`.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, cast
from urllib.parse import urlencode, urlsplit

import httpx
from sideline_types import Camera, Chat, Dropped, Event, FrameHeader, Status
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

ATTEMPTS = 6  # without a new event or message; the pause before each doubles, from 1 s
FINAL = (4401, 4403, 4404)  # close codes after which a new connection would fail, too
TOO_MANY = 4429  # messages or connections: wait for a minute
MINUTE = 60


class SidelineError(Exception):
    """The server refused a request; the text is its sentence. `problem` has all it said.

    `retry_after`: how long it asks you to wait, in seconds; 0 if it does not say.
    """

    def __init__(self, problem: dict[str, Any], retry_after: int = 0) -> None:
        super().__init__(problem.get("detail") or problem.get("title") or "The request failed.")
        self.problem, self.retry_after = problem, retry_after
        self.status: int = problem.get("status", 0)


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame of `sideline.v1`: its header, and the JPEG."""

    header: FrameHeader
    jpeg: bytes


class Sideline:
    """A client with a bearer token."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._bearer = url.rstrip("/"), {"Authorization": f"Bearer {token}"}
        # Pings come every 15 s; a stream that is silent for longer is dead.
        self._http = httpx.Client(base_url=f"{self._url}/api/v1", headers=self._bearer, timeout=40)

    @classmethod
    def sign_in(cls, url: str, username: str, password: str, **more: str) -> Self:
        """Exchange a password for a token. `more`: `organization` (its slug), `code`.

        Raises `SidelineError`; its `problem` has `second_factor` if a code is missing.
        """
        body = {"username": username, "password": password, **more}
        response = httpx.post(f"{url.rstrip('/')}/api/v1/auth/login", json=body, timeout=40)
        return cls(url, _checked(response).json()["token"])

    def sign_out(self) -> None:
        """Revoke the token."""
        _checked(self._http.post("/auth/logout"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def cameras(self) -> Iterator[Camera]:
        """Yield all cameras, page by page."""
        page: str | None = "/cameras"
        while page:
            body = _checked(self._http.get(page)).json()
            yield from body["results"]
            page = body["next"] and f"/cameras?{urlsplit(body['next']).query}"

    def new_chat(self, title: str = "") -> Chat:
        """Create a chat."""
        return cast(Chat, _checked(self._http.post("/actions/chats", json={"title": title})).json())

    def answer(self, prompt: str, chat: str = "") -> str:
        """Send a prompt, in a new chat by default; return the answer's text.

        Raises `SidelineError` with the server's sentence if the answer failed.
        """
        text = ""
        for event in self.ask(chat or self.new_chat()["id"], prompt):
            if event["type"] == "chunk":
                text += event["text"]
            elif event["type"] == "reset":
                text = ""
            elif event["type"] == "error":
                raise SidelineError({"detail": event["message"], **event})
        return text

    def ask(self, chat: str, prompt: str) -> Iterator[Event]:
        """Send a prompt; yield the events of its answer up to `done`, across lost connections.

        Raises `SidelineError` if the prompt is refused, or a server or its proxy answers 502, 503
        or 504 for a minute, and `httpx.TransportError` if it cannot be reached for a minute.
        """
        messages = f"/actions/chats/{chat}/messages"
        # With the key, a prompt that is sent again is not a second prompt.
        key, message, last, failures = str(uuid.uuid4()), "", "0", 0
        while True:
            wait = 0
            if message:
                headers = {"Last-Event-ID": last}
                request = self._http.build_request("GET", f"{messages}/{message}/events",
                                                   headers=headers)  # fmt: skip
            else:
                headers = {"Idempotency-Key": key}
                request = self._http.build_request("POST", messages, headers=headers,
                                                   json={"prompt": prompt})  # fmt: skip
            try:
                response = self._http.send(request, stream=True)
                try:
                    for number, event in _events(_checked(response).iter_lines()):
                        last, failures = number, 0
                        if event["type"] == "start":
                            message = event["message_id"]
                        yield event
                        if event["type"] == "done":
                            return
                finally:
                    response.close()
            except httpx.TransportError:
                if failures >= ATTEMPTS:
                    raise
            except SidelineError as refused:  # a server that restarts, or the proxy before it
                if refused.status not in (502, 503, 504) or failures >= ATTEMPTS:
                    raise
                wait = refused.retry_after
            failures += 1
            if failures > ATTEMPTS:
                raise SidelineError({"detail": "The stream ended early, again and again."})
            time.sleep(max(wait, 2 ** (failures - 1)))

    def watch(
        self, camera: str, *, width: int = 0, fps: int = 0
    ) -> Iterator[Picture | Status | Dropped]:
        """Yield what a camera shows, newest first, and connect again where that helps.

        While you work on a picture, newer ones replace each other: you never lag behind. `width`
        (320, 640) and `fps` (1, 5, 10) ask for less.

        Raises `ConnectionClosed` with a code of `FINAL`; `SidelineError` if the handshake is
        refused, at once for a status below 500 (403: the token is not valid; 400: the size is not
        allowed; but 429 waits); and `OSError` or `InvalidHandshake` if the server cannot be reached
        for a minute.
        """
        query = urlencode({name: n for name, n in (("width", width), ("fps", fps)) if n})
        url = f"ws{self._url.removeprefix('http')}/ws/stream/{camera}?{query}"
        failures = 0
        while True:
            wait = 0
            try:
                with connect(
                    url, additional_headers=self._bearer, subprotocols=[V1], compression=None,
                    max_size=None,
                ) as socket:  # fmt: skip
                    for message in socket:
                        failures = 0
                        if isinstance(message, str):
                            yield cast(Status | Dropped, json.loads(message))
                            continue
                        end = 4 + int.from_bytes(message[:4])
                        header: FrameHeader = json.loads(message[4:end])
                        yield Picture(header, message[end:])
                        # Without this, the server stops after two frames.
                        socket.send(json.dumps({"ack": header["seq"]}))
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                if code in FINAL:
                    raise
                wait = MINUTE if code == TOO_MANY else 0
            except InvalidStatus as invalid:
                response = invalid.response
                refused = _refusal(response.status_code, response.headers, response.body or b"")
                if (refused.status < 500 and refused.status != 429) or failures >= ATTEMPTS:
                    raise refused from None
                wait = refused.retry_after or (MINUTE if refused.status == 429 else 0)
            except (OSError, InvalidHandshake):
                if failures >= ATTEMPTS:
                    raise
            failures = min(failures + 1, ATTEMPTS)
            time.sleep(max(wait, 2 ** (failures - 1)))


V1 = cast(Any, "sideline.v1")


def _checked(response: httpx.Response) -> httpx.Response:
    """Return a response that succeeded. Raises `SidelineError`."""
    if response.is_success:
        return response
    raise _refusal(response.status_code, response.headers, response.read())


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> SidelineError:
    """Return the error of a response. A proxy's has no problem, only a status."""
    is_problem = "problem+json" in headers.get("Content-Type", "")
    wait = headers.get("Retry-After", "")
    return SidelineError(
        {"status": status, **(json.loads(body) if is_problem else {})},
        int(wait) if wait.isdecimal() else 0,
    )


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Event]]:
    """Yield the id and the JSON of each event."""
    number = ""
    for line in lines:
        if line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data: "):
            yield number, json.loads(line[6:])
