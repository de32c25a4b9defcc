"""Readers that do not read, answers that fail without end: memory and connections stay flat."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from chats.readers import Reader
from tests.chats.talking import Talker, joined, talking
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until


@pytest.fixture
def watched(folder: Path, model: Model) -> Iterator[Installation]:
    """An installation of its own, whose memory is looked at."""
    with talking(folder, model) as house:
        yield house


def process(house: Installation) -> psutil.Process:
    return psutil.Process(house.processes[0].pid)


def never_reading(house: Installation, talker: Talker, chat: str, message: str) -> socket.socket:
    """Asks for the answer's events and reads nothing of them."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", house.port))
    token = talker.api.headers["Authorization"]
    peer.send(
        f"GET /api/v1/actions/chats/{chat}/messages/{message}/events HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: {token}\r\n\r\n".encode()
    )
    return peer


def held(house: Installation, peers: list[socket.socket]) -> list[int]:
    """The ports of peers whose connection the server holds."""
    ports = {peer.getsockname()[1] for peer in peers}
    open_ones = (each.raddr.port for each in process(house).net_connections() if each.raddr)
    return [port for port in open_ones if port in ports]


def test_reader_that_never_reads_is_let_go_and_the_others_lose_nothing(
    watched: Installation, model: Model
) -> None:
    """As events, the answer is twice what is kept for a reader."""
    text = tuple('"' * 900 + "\n" for _ in range(280))
    model.script = Script(pieces=text, pause=0.01, gate_at=0)
    with Talker(watched) as talker:
        chat = talker.chat()
        before = process(watched).memory_info().rss
        with talker.sending(chat) as stream:
            message = stream.start()
            peers = [never_reading(watched, talker, chat, message) for _ in range(20)]
            until(lambda: len(held(watched, peers)) == 20)
            until(lambda: all(peer.recv(9, socket.MSG_PEEK) for peer in peers))
            model.gate.set()
            began = time.monotonic()
            seen = list(stream)
            took = time.monotonic() - began
        assert joined(seen) == "".join(text)
        assert took < 280 * 0.01 + 6
        grown = process(watched).memory_info().rss - before
        assert grown < 20 * 300_000 + 12_000_000, f"{grown / 1e6:.1f} MB for 20 who do not read"
        until(lambda: not held(watched, peers), 5, "those who do not read to be let go")
        for peer in peers:
            peer.close()
        assert joined(talker.follow(chat, message)) == "".join(text), "and whoever comes back"


def provoke(house: Installation, model: Model, talker: Talker, times: int) -> None:
    """So many answers that fail, in each way that an endpoint has."""
    ways = (
        Script(status=500), Script(breaks=True), Script(raw=b"\xff\xfe nonsense"),
        Script(pieces=("a",), error={"message": "no"}), Script(pieces=("a",), ends=True),
    )  # fmt: skip
    chat = talker.chat()
    for turn in range(times):
        model.script = ways[turn % len(ways)]
        events = talker.say(chat, f"Fail {turn}")
        assert events[-1].body["status"] == "failed"
        if turn % 10 == 9:
            chat = talker.chat()


def faults(house: Installation, model: Model, times: int) -> None:
    with Talker(house) as talker:
        provoke(house, model, talker, 20)  # whatever is made once is made
        server = process(house)
        until(lambda: len(server.net_connections()) < 8, 10)
        memory, files = server.memory_info().rss, server.num_fds()
        provoke(house, model, talker, times)
        until(lambda: server.num_fds() <= files + 4, 10, "the descriptors")
        grown = server.memory_info().rss - memory
        assert grown < 8_000_000 + times * 4_000, f"{grown / 1e6:.1f} MB for {times} faults"
        assert "Traceback" not in house.logged()


def test_fifty_faults_leave_nothing_behind(watched: Installation, model: Model) -> None:
    faults(watched, model, 50)


@pytest.mark.soak
def test_thousand_faults_leave_nothing_behind(watched: Installation, model: Model) -> None:
    faults(watched, model, 1000)


def test_database_that_is_away_costs_no_word(watched: Installation, model: Model) -> None:
    """The tables are locked for two seconds in the middle; the answer goes on and is stored."""
    model.script = Script(pieces=tuple(f"{n} " for n in range(300)), pause=0.01)
    with Talker(watched) as talker:
        chat = talker.chat()
        with talker.sending(chat) as stream:
            stream.start()
            next(iter(stream))
            watched.manage("shell", "-v0", "-c", _LOCK)
            events = list(stream)
        assert events[-1].body["status"] == "complete"
        assert talker.last(chat)["content"] == "".join(f"{n} " for n in range(300))


_LOCK = """
import time
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    if connection.vendor == "postgresql":
        cursor.execute("LOCK TABLE chats_generation IN ACCESS EXCLUSIVE MODE")
    time.sleep(2)
"""


class Tap(Reader):
    """A reader whose connection is a number."""

    left = 0

    def waiting(self) -> int:
        return self.left


def test_reader_is_stuck_when_nothing_moves_for_a_minute() -> None:
    tap, now = Tap(), time.monotonic()
    tap.taken = tap.left = 5000
    assert not tap.is_stuck(now + 1)
    assert not tap.is_stuck(now + 59)
    tap.left = 4000  # slow, but it reads
    assert not tap.is_stuck(now + 62)
    assert not tap.is_stuck(now + 121)
    assert tap.is_stuck(now + 123)
    tap.left = 4100  # what is said meanwhile does not count for it
    assert tap.is_stuck(now + 124)
    tap.left = 0
    assert not tap.is_stuck(now + 200)


def test_stream_keeps_no_thread(watched: Installation, model: Model) -> None:
    model.script = Script(gate_at=0)
    with Talker(watched) as talker, contextlib.ExitStack() as streams:
        streams.enter_context(talker.sending(talker.chat())).start()
        few = process(watched).num_threads()
        for _ in range(20):
            streams.enter_context(talker.sending(talker.chat())).start()
        until(lambda: process(watched).num_threads() < few + 10, 5, "the threads to be let go")
        model.gate.set()


def test_stopped_answer_is_charged_for_all_that_was_asked(
    watched: Installation, model: Model
) -> None:
    with Talker(watched) as talker:
        chat = talker.chat()
        talker.say(chat, "word " * 2000)
        model.script = Script(pieces=tuple(f"{n} " for n in range(2000)), pause=0.01)
        with talker.sending(chat, "And?") as stream:
            message = stream.start()
            next(iter(stream))
            talker.stop(chat, message)
            assert list(stream)[-1].body["status"] == "stopped"
        last = talker.last(chat)
        assert last["tokens_estimated"] is True
        assert last["tokens_in"] > 2000
        assert last["tokens_out"] > 0


def test_endpoint_that_floods_does_not_hold_up_the_server(
    watched: Installation, model: Model
) -> None:
    """Lines of which none is an answer: empty data fields, which once cost the square of them."""
    model.script = Script(raw=b"data:\n" * 160_000 + b": x\n" * 200_000)
    with Talker(watched) as talker, talker.sending(talker.chat()) as stream:
        stream.start()
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert httpx.get(f"{watched.url}/healthz", timeout=10).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1
        assert list(stream)[-1].body["status"] == "failed"
