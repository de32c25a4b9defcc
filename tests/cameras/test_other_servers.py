"""The stream consumer without a `SocketWriter`: under TLS in Daphne, and on uvicorn.

Also our server with a ping every second, to find dead peers.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests import ROOT
from tests.certificates import certificate
from tests.hostile.peer import Closed, Peer
from tests.installation import Installation, installed
from tests.people import Scenario, create_scenario
from tests.processes import killed_with_parent
from tests.redis import RedisServer
from tests.sockets import age_ms, next_frame, receive_and_acknowledge, receive_for, v1_message
from tests.waiting import accepts, free_port, until

pytestmark = pytest.mark.timing  # each asks how old pictures are, or for how long a peer is silent
SERVERS = ["uvicorn", "tls"]


@dataclass(frozen=True, slots=True)
class Other:
    """A server that is not `serve`, on its own port; `context` is for TLS."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    context: ssl.SSLContext | None
    key: str

    def watching(self, query: str = "", **how: Any) -> contextlib.AbstractContextManager[Any]:
        """A viewer of the demo camera, by its stream key."""
        scheme = "wss" if self.context else "ws"
        url = f"{scheme}://127.0.0.1:{self.port}/ws/stream/{self.key}{query}"
        return connect(url, ssl=self.context, max_size=None, compression=None, proxy=None,
                       open_timeout=30, close_timeout=1, **how)  # fmt: skip

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """A viewer that opens the stream and then never reads."""
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(30)
            plain.connect(("127.0.0.1", self.port))
            context, host = self.context, "127.0.0.1"
            with context.wrap_socket(plain, server_hostname=host) if context else plain as made:
                made.sendall(
                    f"GET /ws/stream/{self.key} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
                )
                assert made.recv(12) == b"HTTP/1.1 101"
                yield


@pytest.fixture(scope="module")
def apart(
    tmp_path_factory: pytest.TempPathFactory, redis: RedisServer
) -> Iterator[tuple[Installation, Scenario]]:
    """An installation with an ingest process on Redis."""
    with installed(tmp_path_factory.mktemp("others"), REDIS_URL=redis.url) as installation:
        installation.serve()
        installation.spawn("ingest")
        yield installation, create_scenario(installation, "others")


@pytest.fixture(scope="module")
def start(
    apart: tuple[Installation, Scenario], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Other]]:
    """Return a server by name, started on first use."""
    installation, scenario = apart
    folder = tmp_path_factory.mktemp("servers")
    pem = certificate(folder)
    trusting = ssl.create_default_context(cafile=str(pem))
    # The client reads and writes in two threads, which OpenSSL does not allow: with TLS 1.3, whose
    # handshake goes on while the request is sent, a request is now and then lost unsent.
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    running: dict[str, Other] = {}

    def started(name: str) -> Other:
        if name not in running:
            port, log = free_port(), folder / f"{name}.txt"
            words = [sys.executable, "-m", "tests.serving", name, str(port), str(pem)]
            environment = installation.environment | {"DJANGO_SETTINGS_MODULE": "project.settings"}
            with log.open("wb") as out:
                process = subprocess.Popen(
                    killed_with_parent(*(words[:-1] if name == "uvicorn" else words)),
                    cwd=ROOT, env=environment, stdout=out, stderr=out,
                )  # fmt: skip
            context = trusting if name == "tls" else None
            running[name] = Other(name, port, process, context, scenario.key)
            until(lambda: accepts(port) or process.poll(), 30, name)
            assert process.poll() is None, log.read_text()
        return running[name]

    try:
        yield started
    finally:
        for other in running.values():
            other.process.terminate()
            other.process.wait(10)
    for name in running:
        assert "Traceback" not in (folder / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", SERVERS)
def test_both_formats_work(start: Callable[[str], Other], name: str) -> None:
    server = start(name)
    with server.watching() as viewer:
        seen = [next_frame(viewer, 20) for _ in range(6)]
    times = [one["timestamp"] for one in seen]
    assert times == sorted(set(times))
    assert age_ms(seen[-1]) < 1500
    with server.watching(subprotocols=["sideline.v1"]) as viewer:
        assert v1_message(viewer)["type"] == "status"
        pictures = until(lambda: pictures_of(viewer, 8), 20, "pictures")
    assert pictures == sorted(set(pictures))


async def test_client_with_tls_1_3_gets_pictures(start: Callable[[str], Other]) -> None:
    """In one thread, as browsers do; see `start`."""
    server = start("tls")
    assert server.context is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=server.context.get_ca_certs(binary_form=True)[0])
    url = f"wss://127.0.0.1:{server.port}/ws/stream/{server.key}"
    async with connect_async(url, ssl=context, max_size=None, proxy=None) as viewer:
        times = [json.loads(await viewer.recv())["timestamp"] for _ in range(3)]
    assert times == sorted(set(times))


@pytest.mark.parametrize("name", SERVERS)
def test_refused_handshake_says_why(start: Callable[[str], Other], name: str) -> None:
    with pytest.raises(InvalidStatus) as refused, start(name).watching("?fps=abc"):
        pass
    response = refused.value.response
    assert response.status_code == 400
    assert list(json.loads(response.body)["errors"]) == ["fps"]


def pictures_of(viewer: ClientConnection, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        message = receive_and_acknowledge(viewer, 20)
        found += [message["seq"]] if "seq" in message else []
    return found


@pytest.mark.parametrize("name", SERVERS)
def test_two_frames_are_unacknowledged_and_the_next_is_the_newest(
    start: Callable[[str], Other], name: str
) -> None:
    with start(name).watching(subprotocols=["sideline.v1"]) as viewer:
        held: list[dict[str, Any]] = []
        until(lambda: held.append(v1_message(viewer)) or len(pictures(held)) == 2, 20)
        assert not pictures(receive_for(viewer, 1.5)), "a third frame came"
        viewer.send(json.dumps({"ack": pictures(held)[-1]["seq"]}))
        received: list[dict[str, Any]] = []
        until(lambda: received.append(v1_message(viewer)) or pictures(received), 10)
        assert any(one.get("type") == "dropped" and one["frames"] >= 10 for one in received)
        assert pictures(received)[0]["age_ms"] < 1000


def pictures(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in messages if "jpeg" in one]


@pytest.mark.parametrize("name", SERVERS)
def test_viewers_that_never_read_use_no_memory(start: Callable[[str], Other], name: str) -> None:
    """The server buffers less than a third of what ten such viewers leave unread."""
    server = start(name)
    process = psutil.Process(server.process.pid)
    with contextlib.ExitStack() as many, server.watching() as healthy:
        for _ in range(10):
            many.enter_context(server.stalled())
        for _ in range(5):
            next_frame(healthy, 20)
        before, unread, ages = process.memory_info().rss, 0, []
        for _ in range(40):
            text = healthy.recv(timeout=10)
            ages.append(age_ms(json.loads(text)))
            unread += 10 * len(text)
        assert sorted(ages)[int(len(ages) * 0.9)] < 1000
        assert unread > 24 * 2**20, "too little data to distinguish a queue from noise"
        assert process.memory_info().rss - before < unread / 3


def test_dead_peer_is_closed_when_it_answers_no_ping(start: Callable[[str], Other]) -> None:
    """Pings every second instead of every 20 s, and a timeout of 1 s instead of 20 s."""
    server = start("impatient")
    process = psutil.Process(server.process.pid)
    with server.watching() as living:
        next_frame(living, 20)
        with contextlib.ExitStack() as dead:
            for _ in range(3):
                dead.enter_context(server.stalled())

            def connections() -> int:
                next_frame(living)  # a viewer that does not read would be closed, too
                return len(to(process, server.port))

            until(lambda: connections() >= 4, 10, "four connections")
            until(lambda: connections() == 1, 12, "the dead ones closed")
        began = time.monotonic()
        while time.monotonic() - began < 3:  # a viewer that answers stays connected
            newest = next_frame(living)
        assert age_ms(newest) < 1500


def test_peer_that_reads_but_answers_no_ping_is_told_why(start: Callable[[str], Other]) -> None:
    server = start("impatient")
    mute = Peer(server.port, f"/ws/stream/{server.key}", {}, v1=False)
    mute.send = lambda data: None  # type: ignore[method-assign]
    code = 0
    while not code:
        try:
            mute.receive()
        except Closed as closed:
            code = closed.code
    mute.close()
    assert code == 4408


def to(process: psutil.Process, port: int) -> list[Any]:
    """Return the process's established connections on this port."""
    return [
        each
        for each in process.net_connections("tcp")
        if each.laddr.port == port and each.raddr and each.status == psutil.CONN_ESTABLISHED
    ]
