"""Clients that do not read, a locked database: other clients lose nothing."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import httpx
import pytest

from chats.sse.subscribers import Subscriber
from tests.chats.talking import ChatClient, chat_installation, server_process, text_of
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until

QUOTES = tuple('"' * 900 + "\n" for _ in range(280))  # twice the bytes that are kept for a client


def never_reading(
    installation: Installation, client: ChatClient, chat: str, message: str
) -> socket.socket:
    """Request an answer's events without reading them; return the socket."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", installation.port))
    token = client.api.headers["Authorization"]
    peer.send(
        f"GET /api/v1/actions/chats/{chat}/messages/{message}/events HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: {token}\r\n\r\n".encode()
    )
    return peer


def open_ports(installation: Installation, peers: list[socket.socket]) -> list[int]:
    """Return the ports of peers whose connection the server keeps open."""
    ports = {peer.getsockname()[1] for peer in peers}
    open_ones = (
        each.raddr.port for each in server_process(installation).net_connections() if each.raddr
    )
    return [port for port in open_ones if port in ports]


def crowd_that_never_reads(
    installation: Installation, model: Model, client: ChatClient, many: int, patience: float
) -> tuple[float, int]:
    """Stream an answer to one client that reads and `many` that do not.

    Return the seconds that the reader needed, and the growth of the server's memory in bytes at the
    last event, while the other connections are still open on this side.
    """
    before = server_process(installation).memory_info().rss
    model.script = Script(pieces=QUOTES, pause=0.01, gate_at=0)
    chat = client.chat()
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(client.stream(chat))
        message = stream.start()
        peers = [never_reading(installation, client, chat, message) for _ in range(many)]
        for peer in peers:
            stack.enter_context(peer)
        until(lambda: len(open_ports(installation, peers)) == many, 30)
        until(lambda: all(peer.recv(9, socket.MSG_PEEK) for peer in peers), 30)
        model.gate.set()
        began = time.monotonic()
        received = list(stream)
        took = time.monotonic() - began
        grown = server_process(installation).memory_info().rss - before
        assert text_of(received) == "".join(QUOTES)
        until(
            lambda: not open_ports(installation, peers),
            patience,
            "the clients that do not read to be dropped",
        )
    assert text_of(client.events(chat, message)) == "".join(QUOTES), (
        "a client that reconnects receives everything"
    )
    return took, grown


def test_client_that_never_reads_is_dropped_and_others_lose_nothing(
    club: Installation, keeper: ChatClient, model: Model
) -> None:
    crowd_that_never_reads(club, model, keeper, 4, patience=30)


@pytest.mark.timing
def test_clients_that_never_read_cost_little_time_and_memory(folder: Path, model: Model) -> None:
    with chat_installation(folder, model) as installation, ChatClient(installation) as client:
        took, grown = crowd_that_never_reads(installation, model, client, 20, patience=5)
        assert took < 280 * 0.01 + 6
        assert grown < 20 * 300_000 + 12_000_000, f"{grown / 1e6:.1f} MB for 20 clients"


_LOCK = """
import time
from pathlib import Path
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    if connection.vendor == "postgresql":
        cursor.execute("LOCK TABLE chats_generation IN ACCESS EXCLUSIVE MODE")
    Path("{folder}", "locked").touch()
    while not Path("{folder}", "enough").exists():
        time.sleep(0.02)
"""


@pytest.mark.postgres
def test_no_text_is_lost_while_the_database_is_locked(
    club: Installation, keeper: ChatClient, model: Model, tmp_path: Path
) -> None:
    """The tables are locked during most of the answer, which continues and is stored."""
    words = [f"{n} " for n in range(300)]
    model.script = Script(pieces=tuple(words), pause=0.005, gate_at=1)
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        stream.start()
        text = text_of([next(iter(stream))])
        locking = club.spawn("shell", "-v0", "-c", _LOCK.format(folder=tmp_path))
        try:
            until((tmp_path / "locked").exists, 30, "the lock")
            model.gate.set()
            while text != "".join(words):
                text += text_of([next(iter(stream))])
        finally:
            (tmp_path / "enough").touch()
            assert locking.wait(30) == 0
            club.processes.remove(locking)
        assert list(stream)[-1].body["status"] == "complete"
    assert keeper.last(chat)["content"] == text


class FakeSubscriber(Subscriber):
    """A subscriber with a settable number of waiting bytes."""

    left = 0

    def waiting(self) -> int:
        return self.left


def test_subscriber_is_stuck_after_a_minute_without_progress() -> None:
    fake, now = FakeSubscriber(), time.monotonic()
    fake.accepted = fake.left = 5000
    assert not fake.is_stuck(now + 1)
    assert not fake.is_stuck(now + 59)
    fake.left = 4000  # slow, but reading
    assert not fake.is_stuck(now + 62)
    assert not fake.is_stuck(now + 121)
    assert fake.is_stuck(now + 123)
    fake.left = 4100  # new events are no progress
    assert fake.is_stuck(now + 124)
    fake.left = 0
    assert not fake.is_stuck(now + 200)


def test_stream_does_not_keep_a_thread(
    club: Installation, keeper: ChatClient, model: Model
) -> None:
    model.script = Script(gate_at=0)
    with contextlib.ExitStack() as streams:
        streams.enter_context(keeper.stream(keeper.chat())).start()
        few = server_process(club).num_threads()
        for _ in range(20):
            streams.enter_context(keeper.stream(keeper.chat())).start()
        until(lambda: server_process(club).num_threads() < few + 10, 30, "the threads to end")
        model.gate.set()


@pytest.mark.postgres
def test_stopped_answer_is_charged_for_its_whole_input(keeper: ChatClient, model: Model) -> None:
    chat = keeper.chat()
    keeper.send(chat, "word " * 2000)
    model.script = Script(pieces=tuple(f"{n} " for n in range(6000)), pause=0.01)
    with keeper.stream(chat, "And?") as stream:
        message = stream.start()
        next(iter(stream))
        keeper.stop(chat, message)
        assert list(stream)[-1].body["status"] == "stopped"
    last = keeper.last(chat)
    assert last["tokens_estimated"] is True
    assert last["tokens_in"] > 2000
    assert last["tokens_out"] > 0


@pytest.mark.timing
def test_flooding_endpoint_does_not_block_the_server(
    club: Installation, keeper: ChatClient, model: Model
) -> None:
    """Empty data fields and comments: parsing them once took quadratic time."""
    model.script = Script(raw=b"data:\n" * 160_000 + b": x\n" * 200_000)
    with keeper.stream(keeper.chat()) as stream:
        stream.start()
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert httpx.get(f"{club.url}/healthz", timeout=10).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1
        assert list(stream)[-1].body["status"] == "failed"
