"""Followers in another process: the same events, soon, whatever happens to database and maker."""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from tests.chats.talking import ChatClient, Stream, chat_installation, text_of
from tests.endpoint import Model, Script
from tests.installation import Installation, second_server
from tests.prepared import DATABASE
from tests.redis import RedisServer
from tests.waiting import until

WORDS = tuple(f"{n} " for n in range(6000))
_ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def two(
    scripted: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, ChatClient, ChatClient]]:
    """An installation with two web processes, and a client of each."""
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as redis,
        chat_installation(
            tmp_path_factory.mktemp("two"), scripted,
            REDIS_URL=redis.url, SIDELINE_ANSWER_SILENCE="3",
        ) as installation,
        ChatClient(installation) as here,
        second_server(installation) as second,
        ChatClient(second) as there,
    ):  # fmt: skip
        yield installation, here, there


@contextlib.contextmanager
def followed(
    here: ChatClient, there: ChatClient, model: Model
) -> Iterator[tuple[Stream, Stream, Callable[[], httpx.Response]]]:
    """Yield a long answer's stream, its stream from the other process, and its stop there."""
    model.script = Script(pieces=WORDS, pause=0.01)
    chat = here.chat()
    with here.stream(chat) as stream:
        message = stream.start()
        with there.stream_events(chat, message) as other:
            yield stream, other, lambda: there.stop(chat, message)


@pytest.mark.extended
@pytest.mark.postgres
def test_answer_can_be_followed_and_stopped_from_another_process(
    two: tuple[Installation, ChatClient, ChatClient], model: Model
) -> None:
    _, here, there = two
    with followed(here, there, model) as (stream, other, stop):
        elsewhere = []
        for event in other:
            elsewhere.append(event)
            if len(elsewhere) == 30:
                assert stop().status_code == 202
        first = list(stream)
    assert [(e.seq, e.body) for e in elsewhere[1:]] == [(e.seq, e.body) for e in first]
    assert first[-1].body["status"] == "stopped"
    until(lambda: model.running == 0, 30)


@pytest.mark.timing
def test_stop_from_another_process_is_fast(
    two: tuple[Installation, ChatClient, ChatClient], model: Model
) -> None:
    _, here, there = two
    with followed(here, there, model) as (stream, other, stop):
        for _ in range(30):
            next(iter(other))
        stopped_at = time.monotonic()
        stop()
        list(other)
        assert time.monotonic() - stopped_at < 2
        list(stream)
    until(lambda: model.running == 0, 1)


@pytest.mark.extended
@pytest.mark.postgres
def test_answer_of_a_dead_host_is_interrupted_by_its_heartbeat(
    two: tuple[Installation, ChatClient, ChatClient], model: Model
) -> None:
    """Pretends that the process runs on another host, where its pid cannot be checked."""
    installation, here, there = two
    model.script = Script(pieces=WORDS, pause=0.01)
    chat = here.chat()
    with here.stream(chat) as stream:
        message = stream.start()
        installation.manage(
            "shell", "-v0", "-c",
            "from chats.models import Generation\n"
            "Generation.objects.running().update(process='another/1/1/1')",
        )  # fmt: skip
        installation.processes[0].kill()
    events = there.events(chat, message)
    assert events[-1].body == {"type": "done", "status": "failed"}
    assert events[-2].body["code"] == "interrupted"
    assert there.last(chat)["content"] == text_of(events)
    installation.processes.pop(0).wait(30)
    installation.serve()


# SQLite's missing table is no outage of the database, so it has a line of its own.
NOTICED = ("events cannot be read, retrying", "the database cannot be used")


@contextlib.contextmanager
def outage(installation: Installation) -> Iterator[None]:
    """Make the log unreadable meanwhile: cut all connections (PostgreSQL), or hide its table."""
    url = installation.environment.get("DATABASE_URL")
    if url is None:
        with contextlib.closing(sqlite3.connect(installation.folder / DATABASE)) as file:
            file.execute("ALTER TABLE chats_generationevent RENAME TO hidden")
            try:
                yield
            finally:
                file.execute("ALTER TABLE hidden RENAME TO chats_generationevent")
        return
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@pytest.mark.extended
@pytest.mark.postgres
def test_outage_of_the_database_does_not_end_a_stream(
    two: tuple[Installation, ChatClient, ChatClient], model: Model
) -> None:
    installation, here, there = two
    model.script = Script(pieces=WORDS[:60], pause=0.01, gate_at=20)
    chat = here.chat()
    with here.stream(chat) as stream:
        message = stream.start()
        with there.stream_events(chat, message) as other:
            elsewhere = [next(iter(other)) for _ in range(2)]
            with outage(installation):
                until(lambda: any(line in installation.logged() for line in NOTICED), 30)
                model.gate.set()
            first = list(stream)
            elsewhere += list(other)
    assert first[-1].body == {"type": "done", "status": "complete"}
    assert text_of(first) == "".join(WORDS[:60])
    assert [(e.seq, e.body) for e in elsewhere[1:]] == [(e.seq, e.body) for e in first]


@pytest.mark.timing
def test_killed_maker_is_noticed_in_another_process_within_three_seconds(
    two: tuple[Installation, ChatClient, ChatClient], model: Model
) -> None:
    installation, here, there = two
    with followed(here, there, model) as (_, other, _stop):
        for _ in range(3):
            next(iter(other))
        installation.processes[0].kill()
        killed_at = time.monotonic()
        assert list(other)[-1].body == {"type": "done", "status": "failed"}
        assert time.monotonic() - killed_at < 3
    installation.processes.pop(0).wait(30)
    installation.serve()


@dataclass(frozen=True, slots=True)
class Follower:
    """A connection that follows an answer in the maker's process, or in another one."""

    peer: socket.socket
    message: str
    is_elsewhere: bool

    @classmethod
    def open(cls, client: ChatClient, chat: str, message: str, is_elsewhere: bool) -> Follower:
        url = client.api.base_url
        peer = socket.create_connection((url.host, url.port))
        peer.sendall(
            f"GET {url.path}{chat}/messages/{message}/events HTTP/1.1\r\nHost: {url.host}\r\n"
            f"Authorization: {client.api.headers['Authorization']}\r\n\r\n".encode()
        )
        peer.setblocking(False)
        return cls(peer, message, is_elsewhere)


def lags(followers: list[Follower], seconds: float) -> list[float]:
    """Read for `seconds`; return how much later each event came elsewhere, sorted, in seconds."""
    at: dict[tuple[str, int], float] = {}
    late: list[tuple[tuple[str, int], float]] = []
    with selectors.DefaultSelector() as selector:
        for follower in followers:
            selector.register(follower.peer, selectors.EVENT_READ, follower)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, _ in selector.select(0.5):
                data = key.data.peer.recv(256 * 1024)
                now = time.monotonic()
                assert data, "a follower was cut"
                for seq in map(int, _ID.findall(data)):
                    event = (key.data.message, seq)
                    if key.data.is_elsewhere:
                        late.append((event, now))
                    else:
                        at.setdefault(event, now)
    return sorted(now - at[event] for event, now in late if event in at)


@pytest.mark.timing
@pytest.mark.parametrize(("answers", "each"), [(1, 100), (100, 1)], ids=["one", "hundred"])
def test_hundred_followers_elsewhere_are_less_than_300_ms_behind(
    two: tuple[Installation, ChatClient, ChatClient], model: Model, answers: int, each: int
) -> None:
    _, here, there = two
    model.script = Script(pieces=WORDS, pause=0.05)
    with contextlib.ExitStack() as stack:
        followers = []
        for _ in range(answers):
            chat = here.chat()
            with here.stream(chat) as stream:
                message = stream.start()
            stack.callback(here.stop, chat, message)
            followers.append(Follower.open(here, chat, message, False))
            followers += [Follower.open(there, chat, message, True) for _ in range(each)]
        for follower in followers:
            stack.enter_context(follower.peer)
        lags(followers, 3)  # what came before they joined
        for _ in range(3):  # other programs may delay the events of a few seconds
            found = lags(followers, 10)
            middle, late = found[len(found) // 2], found[int(len(found) * 0.99)]
            print(f"MEASURED lag p50 {middle * 1000:.0f} ms, p99 {late * 1000:.0f} ms")
            if late < 0.3:
                break
    assert late < 0.3
