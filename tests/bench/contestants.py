"""The servers that are compared, by the names of the option `--only`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.arena import SERVER_CORE, Arena, RunningServer, on_core
from tests.bench.building import node_modules, program
from tests.bench.picture import HEIGHT, WIDTH
from tests.waiting import free_port, until

SERVERS = Path(__file__).resolve().parent / "servers"
PYTHON = sys.executable

Start = Callable[[Arena], AbstractContextManager[RunningServer]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server in one wire format. `acks`: its viewers acknowledge frames."""

    name: str
    title: str
    start: Start
    binary: bool = False
    acks: bool = False

    @property
    def baseline(self) -> str:
        """Our server in the same format, the denominator of the ratios."""
        return "ours-binary" if self.binary else "ours"

    @property
    def is_naive(self) -> bool:
        """Whether this is one of the naive consumers."""
        return self.name.startswith("naive")


@contextlib.contextmanager
def _ours(arena: Arena) -> Iterator[RunningServer]:
    installation = arena.installation
    with on_core(SERVER_CORE):
        server = installation.spawn("serve")
    try:
        until(installation.answers, 30, "our server")
        with arena.feeder(installation.environment, arena.cameras) as ticks:
            yield RunningServer(
                server.pid, ticks, lambda camera: (installation.port, _stream(arena, camera))
            )
    finally:
        installation.stop()


@contextlib.contextmanager
def _uvicorn(arena: Arena) -> Iterator[RunningServer]:
    """Our application and hub on uvicorn, without our subclass of Daphne."""
    installation = arena.installation
    words = [
        PYTHON, "-m", "uvicorn", "project.asgi:application", "--port", installation.port, "--loop",
        "asyncio", "--ws", "websockets-sansio", "--ws-per-message-deflate", "false",
        "--lifespan", "off", "--log-level", "warning",
    ]  # fmt: skip
    with (
        arena.listening(words, installation.port, installation.environment) as server,
        arena.feeder(installation.environment, arena.cameras) as ticks,
    ):
        yield RunningServer(
            server.pid, ticks, lambda camera: (installation.port, _stream(arena, camera))
        )


def _stream(arena: Arena, camera: int) -> str:
    return f"/ws/stream/{arena.key(camera)}"


def _naive(layer: str) -> Start:
    @contextlib.contextmanager
    def start(arena: Arena) -> Iterator[RunningServer]:
        port = free_port()
        environment = {"BENCH_LAYER": layer, "BENCH_REDIS": arena.redis.url}
        words = [
            PYTHON, "-m", "daphne", "-v0", "-b", "127.0.0.1", "-p", port,
            "tests.bench.servers.naive:application",
        ]  # fmt: skip
        with (
            arena.listening(words, port, environment) as server,
            arena.feeder(environment, [str(number) for number in range(16)]) as ticks,
        ):
            yield RunningServer(server.pid, ticks, lambda camera: (port, f"/c/{camera}"))

    return start


def _peer(program_of: Callable[[], list[object]], binary: bool) -> Start:
    """A server that builds the messages itself: PORT TICKS FORMAT PICTURE WIDTH HEIGHT."""

    @contextlib.contextmanager
    def start(arena: Arena) -> Iterator[RunningServer]:
        port, ticks = free_port(), free_port()
        form = "binary" if binary else "json"
        words = [*program_of(), port, ticks, form, arena.picture, WIDTH, HEIGHT]
        with arena.listening(words, port) as server:
            yield RunningServer(server.pid, ticks, lambda camera: (port, f"/c/{camera}"))

    return start


def _module(name: str) -> Callable[[], list[object]]:
    return lambda: [PYTHON, "-m", f"tests.bench.servers.{name}"]


PEERS: dict[str, tuple[str, Callable[[], list[object]]]] = {
    "websockets": ("websockets broadcast", _module("broadcast")),
    "ws": ("node ws", lambda: ["node", SERVERS / "ws.mjs", node_modules()]),
    "picows": ("picows", _module("picows_")),
    "asyncio": ("bare asyncio loop", _module("transport")),
    "c": ("bare C loop", lambda: [program("loop")]),
}


def _all() -> Iterator[Contestant]:
    yield Contestant("ours", "ours", _ours)
    yield Contestant("naive-core", "naive consumer, core layer", _naive("core"))
    yield Contestant("naive-pubsub", "naive consumer, pub/sub layer", _naive("pubsub"))
    yield Contestant("uvicorn", "our hub on uvicorn", _uvicorn)
    for name, (title, words) in PEERS.items():
        yield Contestant(name, title, _peer(words, binary=False))
    yield Contestant("ours-binary", "ours, binary", _ours, True, True)
    yield Contestant("uvicorn-binary", "our hub on uvicorn, binary", _uvicorn, True, True)
    for name, (title, words) in PEERS.items():
        yield Contestant(f"{name}-binary", f"{title}, binary", _peer(words, True), True, True)
    mute = _peer(PEERS["c"][1], binary=True)
    yield Contestant("c-binary-mute", "bare C loop, binary, no acks", mute, True)


CONTESTANTS = {contestant.name: contestant for contestant in _all()}
