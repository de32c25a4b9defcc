"""Readers that do not read, a database that is away: the others lose nothing."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import httpx
import pytest

from chats.sse.subscribers import Subscriber
from tests.chats.talking import Talker, joined, server_of, talking
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until

QUOTES = tuple('"' * 900 + "\n" for _ in range(280))  # as events, twice what is kept for a reader


def never_reading(
    installation: Installation, talker: Talker, chat: str, message: str
) -> socket.socket:
    """Asks for the answer's events and reads nothing of them."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", installation.port))
    token = talker.api.headers["Authorization"]
    peer.send(
        f"GET /api/v1/actions/chats/{chat}/messages/{message}/events HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: {token}\r\n\r\n".encode()
    )
    return peer


def held(installation: Installation, peers: list[socket.socket]) -> list[int]:
    """The ports of peers whose connection the server holds."""
    ports = {peer.getsockname()[1] for peer in peers}
    open_ones = (
        each.raddr.port for each in server_of(installation).net_connections() if each.raddr
    )
    return [port for port in open_ones if port in ports]


def crowd_that_never_reads(
    installation: Installation, model: Model, talker: Talker, many: int, patience: float
) -> tuple[float, int]:
    """So many beside one who does read, and is told all.

    The seconds that this took, and by how many bytes the server's memory had grown at the last
    word, with the connections still open at this end.
    """
    before = server_of(installation).memory_info().rss
    model.script = Script(pieces=QUOTES, pause=0.01, gate_at=0)
    chat = talker.chat()
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(talker.sending(chat))
        message = stream.start()
        peers = [never_reading(installation, talker, chat, message) for _ in range(many)]
        for peer in peers:
            stack.enter_context(peer)
        until(lambda: len(held(installation, peers)) == many, 30)
        until(lambda: all(peer.recv(9, socket.MSG_PEEK) for peer in peers), 30)
        model.gate.set()
        began = time.monotonic()
        seen = list(stream)
        took = time.monotonic() - began
        grown = server_of(installation).memory_info().rss - before
        assert joined(seen) == "".join(QUOTES)
        until(lambda: not held(installation, peers), patience, "those who do not read to be let go")
    assert joined(talker.follow(chat, message)) == "".join(QUOTES), "and whoever comes back"
    return took, grown


def test_reader_that_never_reads_is_let_go_and_the_others_lose_nothing(
    club: Installation, keeper: Talker, model: Model
) -> None:
    crowd_that_never_reads(club, model, keeper, 4, patience=30)


@pytest.mark.timing
def test_readers_that_never_read_cost_neither_time_nor_memory(folder: Path, model: Model) -> None:
    with talking(folder, model) as installation, Talker(installation) as talker:
        took, grown = crowd_that_never_reads(installation, model, talker, 20, patience=5)
        assert took < 280 * 0.01 + 6
        assert grown < 20 * 300_000 + 12_000_000, f"{grown / 1e6:.1f} MB for 20 who do not read"


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
def test_database_that_is_away_costs_no_word(
    club: Installation, keeper: Talker, model: Model, tmp_path: Path
) -> None:
    """The tables are locked while most of the answer comes; it goes on and is stored."""
    words = [f"{n} " for n in range(300)]
    model.script = Script(pieces=tuple(words), pause=0.005, gate_at=1)
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        stream.start()
        text = joined([next(iter(stream))])
        locking = club.spawn("shell", "-v0", "-c", _LOCK.format(folder=tmp_path))
        try:
            until((tmp_path / "locked").exists, 30, "the lock")
            model.gate.set()
            while text != "".join(words):
                text += joined([next(iter(stream))])
        finally:
            (tmp_path / "enough").touch()
            assert locking.wait(30) == 0
            club.processes.remove(locking)
        assert list(stream)[-1].body["status"] == "complete"
    assert keeper.last(chat)["content"] == text


class Tap(Subscriber):
    """A reader whose connection is a number."""

    left = 0

    def waiting(self) -> int:
        return self.left


def test_reader_is_stuck_when_nothing_moves_for_a_minute() -> None:
    tap, now = Tap(), time.monotonic()
    tap.accepted = tap.left = 5000
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


def test_stream_keeps_no_thread(club: Installation, keeper: Talker, model: Model) -> None:
    model.script = Script(gate_at=0)
    with contextlib.ExitStack() as streams:
        streams.enter_context(keeper.sending(keeper.chat())).start()
        few = server_of(club).num_threads()
        for _ in range(20):
            streams.enter_context(keeper.sending(keeper.chat())).start()
        until(lambda: server_of(club).num_threads() < few + 10, 30, "the threads to be let go")
        model.gate.set()


@pytest.mark.postgres
def test_stopped_answer_is_charged_for_all_that_was_asked(keeper: Talker, model: Model) -> None:
    chat = keeper.chat()
    keeper.say(chat, "word " * 2000)
    model.script = Script(pieces=tuple(f"{n} " for n in range(6000)), pause=0.01)
    with keeper.sending(chat, "And?") as stream:
        message = stream.start()
        next(iter(stream))
        keeper.stop(chat, message)
        assert list(stream)[-1].body["status"] == "stopped"
    last = keeper.last(chat)
    assert last["tokens_estimated"] is True
    assert last["tokens_in"] > 2000
    assert last["tokens_out"] > 0


@pytest.mark.timing
def test_endpoint_that_floods_does_not_hold_up_the_server(
    club: Installation, keeper: Talker, model: Model
) -> None:
    """Lines of which none is an answer: empty data fields, which once cost the square of them."""
    model.script = Script(raw=b"data:\n" * 160_000 + b": x\n" * 200_000)
    with keeper.sending(keeper.chat()) as stream:
        stream.start()
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert httpx.get(f"{club.url}/healthz", timeout=10).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1
        assert list(stream)[-1].body["status"] == "failed"
