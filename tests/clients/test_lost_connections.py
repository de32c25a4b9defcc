"""The clients in `docs/clients` connect again where that helps, and continue where they were."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import socket
import subprocess
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from tests.clients.tools import node_command
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.processes import killed_with_parent
from tests.push_messages import now
from tests.wire import Wire

pytestmark = pytest.mark.extended
PIECES = tuple(f"piece {number} " for number in range(20))
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Found = Generator[dict[str, Any], None, None]


class Run(Protocol):
    """Runs `watch` or `ask` of a client with arguments; yields what it yields, as JSON.

    Pauses are `{"pause": seconds}`, and take no time. The last is `{"refused", "sentence"}` if the
    client raised `SidelineError`.
    """

    def __call__(self, url: str, token: str, method: str, *more: str) -> Found: ...


@pytest.fixture
def run_python(client: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    pauses: list[dict[str, Any]] = []
    hurried = SimpleNamespace(sleep=lambda seconds: pauses.append({"pause": seconds}))
    monkeypatch.setattr(client, "time", hurried)

    def run(url: str, token: str, method: str, *more: str) -> Found:
        last: list[dict[str, Any]] = []
        with client.Sideline(url, token) as user:
            try:
                for message in getattr(user, method)(*more):
                    yield from pauses
                    pauses.clear()
                    yield message.header if isinstance(message, client.Picture) else message
            except client.SidelineError as refused:
                last = [{"refused": refused.status, "sentence": str(refused)}]
        yield from (*pauses, *last)

    return run


@pytest.fixture
def run_typescript(compiled: Path) -> Run:
    def run(url: str, token: str, method: str, *more: str) -> Found:
        command = node_command("hurried.mjs", compiled, url, token, method, *more)
        with subprocess.Popen(
            killed_with_parent(*command), stdout=subprocess.PIPE, text=True
        ) as node:
            assert node.stdout
            try:
                yield from map(json.loads, node.stdout)
                assert node.wait(10) == 0
            finally:
                node.kill()

    return run


@pytest.fixture(params=["python", "typescript"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.getfixturevalue(f"run_{request.param}")
    return found


@pytest.fixture
def token(club: Installation) -> str:
    club.api().close()
    return club.token


@pytest.fixture
def court(club: Installation) -> str:
    with club.api() as api:
        return str(api.get("/cameras").json()["results"][0]["id"])


@pytest.fixture
def chat(club: Installation, model: Model) -> Iterator[str]:
    """A new chat, whose answer waits after ten pieces. In the end it has only one prompt."""
    model.reset()
    model.script = Script(pieces=PIECES, gate_at=10)
    with club.api() as api:
        chat = str(api.post("/actions/chats", json={}).json()["id"])
        yield chat
        messages = api.get(f"/actions/chats/{chat}").json()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]


def text_of(messages: list[dict[str, Any]]) -> str:
    return "".join(message["text"] for message in messages if message.get("type") == "chunk")


def pauses_of(messages: list[dict[str, Any]]) -> list[float]:
    return [message["pause"] for message in messages if "pause" in message]


@pytest.mark.parametrize("answer", [b"", BAD_GATEWAY], ids=["reset", "502"])
def test_watch_continues_after_a_restart(
    club: Installation, token: str, court: str, run: Run, answer: bytes
) -> None:
    messages: list[dict[str, Any]] = []
    cut_at = math.inf
    with Wire(club.port).running() as wire, closing(run(wire.url, token, "watch", court)) as found:
        for message in found:
            messages.append(message)
            if "seq" in message and cut_at == math.inf:
                wire.cut(2, answer)
                cut_at = now()
            if message.get("timestamp", 0) > cut_at + 500:
                break
    assert pauses_of(messages) == [1, 2, 4]


@pytest.mark.parametrize("answer", [b"", BAD_GATEWAY], ids=["reset", "502"])
def test_answer_continues_after_a_restart(
    club: Installation, model: Model, token: str, chat: str, run: Run, answer: bytes
) -> None:
    """The same answer, without a second prompt and without a piece twice."""
    messages: list[dict[str, Any]] = []
    with Wire(club.port).running() as wire:
        wire.cut(1, answer)  # the prompt itself
        for message in run(wire.url, token, "ask", chat, "Count."):
            messages.append(message)
            if text_of(messages) == "".join(PIECES[:10]) and not model.gate.is_set():
                wire.cut(2, answer)
                model.gate.set()
    assert text_of(messages) == "".join(PIECES)
    assert messages[-1] == {"type": "done", "status": "complete"}
    assert pauses_of(messages) == [1, 1, 2, 4]


def test_silent_stream_is_given_up(
    club: Installation, model: Model, token: str, chat: str, run_typescript: Run
) -> None:
    """In Python, the time-out is that of httpx."""
    messages: list[dict[str, Any]] = []
    with Wire(club.port).running() as wire:
        for message in run_typescript(wire.url, token, "ask", chat, "Count."):
            messages.append(message)
            if text_of(messages) == "".join(PIECES[:10]) and not model.gate.is_set():
                wire.stall()
                model.gate.set()
    assert text_of(messages) == "".join(PIECES)
    assert messages[-1] == {"type": "done", "status": "complete"}


def test_invalid_token_is_not_tried_again(club: Installation, court: str, run: Run) -> None:
    (refused,) = run(club.url, "wrong", "watch", court)
    assert refused["refused"] in (401, 403)
    assert refused["sentence"] != "The request failed."


class BusyServer:
    """Refuses two requests with 429, then closes a socket with 4429, then sends a status."""

    def __init__(self) -> None:
        head = "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nConnection: close\r\n"
        self._refusals = [f"{head}Retry-After: 7\r\n\r\n", f"{head}\r\n"]
        self._frames = [b"\x88\x02" + (4429).to_bytes(2), b"\x81\x11" + b'{"type":"status"}']

    def _serve(self, connection: socket.socket) -> None:
        """Answer the one request of a connection."""
        requested = connection.makefile("rb")
        first, named = requested.readline(), dict[str, str]()
        while line := requested.readline().decode("latin-1").strip():
            name, _, value = line.partition(": ")
            named[name.lower()] = value
        requested.read(int(named.get("content-length", 0)))
        if self._refusals:
            connection.sendall(self._refusals.pop(0).encode())
        elif first.startswith(b"POST"):
            connection.sendall(
                b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 14\r\n"
                b'Connection: close\r\n\r\n{"ticket":"x"}'
            )
        else:
            key = named["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            connection.sendall(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Protocol: sideline.v1\r\nSec-WebSocket-Accept: {accept}"
                "\r\n\r\n".encode()
            )
            connection.sendall(self._frames.pop(0))
            with suppress(ConnectionError):
                connection.recv(65536)  # until the client closes

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # shut down
            while True:
                connection, _ = listener.accept()
                with connection:
                    self._serve(connection)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve for the time of the block; yield the URL."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=self._accept, args=[listener], name="busy server")
            thread.start()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()


def test_watch_waits_for_a_server_that_is_asked_too_much(run: Run) -> None:
    messages: list[dict[str, Any]] = []
    with BusyServer().running() as url, closing(run(url, "token", "watch", "camera")) as found:
        for message in found:
            messages.append(message)
            if message.get("type") == "status":
                break
    assert pauses_of(messages) == [7, 60, 60]
