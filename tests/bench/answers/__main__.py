"""Benchmark of the cost of a delivered token: `python -m tests.bench.answers`, or `make bench`.

Each server runs on one core, the clients on the other. The same metronome inside each server
produces the tokens, so that only their delivery differs; ours also stores them. Reading tokens from
a model's endpoint is not included. Figures are medians over alternating rounds. The first scenario
compares servers, the second one measures ours under load.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tests.bench.answers.listeners import Measurement, listen
from tests.bench.arena import Arena
from tests.bench.report import Bound
from tests.installation import KEEPER, Installation
from tests.waiting import free_port, until

RATE = 50.0
LIFE_S = 150.0  # of a stream; longer than any measurement
PYTHON = sys.executable
_ROWS = """
from chats.models import *
from project.accounts.models import *
club = Organization.objects.create(name="Bench", slug="bench")
admin = User.objects.get(username="keeper")
Membership.objects.create(user=admin, organization=club, role="admin")
chats = Chat.objects.bulk_create(Chat(organization=club, owner=admin) for _ in range(COUNT))
print("ROWS" + " ".join(str(chat.pk) for chat in chats))
"""
Start = Callable[[Arena, int], AbstractContextManager[tuple[int, int, list[bytes]]]]


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians. `cpu_ms` is per 1000 delivered tokens, `ratio` that over ours in the same round.

    Delays are in ms, memory in KB per stream; `rate` is the share of produced tokens that arrived.
    """

    runs: int
    cpu_ms: float
    ratio: float
    rate: float
    p50: float
    p99: float
    memory: float
    busy: float


@contextlib.contextmanager
def _ours(arena: Arena, streams: int) -> Iterator[tuple[int, int, list[bytes]]]:
    folder = arena.folder / f"answers{free_port()}"
    folder.mkdir()
    installation = Installation(folder, SIDELINE_DEMO="0", **_metronome())
    installation.manage("migrate", "-v0")
    installation.manage("shell", "-v0", "-c", _ADMIN)
    printed = installation.manage("shell", "-v0", "-c", _ROWS.replace("COUNT", str(streams)))
    chats = printed.partition("ROWS")[2].split()
    words = [PYTHON, "-m", "tests.bench.answers.ours"]
    with arena.listening(words, installation.port, installation.environment) as server:
        until(installation.answers, 30, "our server")
        with installation.api() as api:
            token = api.headers["Authorization"]
        yield server.pid, installation.port, [_request(chat, token) for chat in chats]


_ADMIN = f"""
from project.accounts.models import User
User.objects.create_superuser("{KEEPER["username"]}", password="{KEEPER["password"]}")
"""


def _request(chat: str, token: str) -> bytes:
    body = b'{"prompt":"Go"}'
    return (
        f"POST /api/v1/actions/chats/{chat}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _peer(*words: str) -> Start:
    @contextlib.contextmanager
    def start(arena: Arena, streams: int) -> Iterator[tuple[int, int, list[bytes]]]:
        port = free_port()
        with arena.listening([PYTHON, "-m", *words, str(port)], port, _metronome()) as server:
            yield server.pid, port, [b"GET /1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] * streams

    return start


def _metronome() -> dict[str, str]:
    return {"BENCH_RATE": str(RATE), "BENCH_SECONDS": str(LIFE_S)}


CONTESTANTS: dict[str, tuple[str, Start]] = {
    "ours": ("ours, stored and resumable", _ours),
    "plain": (
        "a view per token, stock Daphne",
        _peer("daphne", "-v0", "-b", "127.0.0.1", "tests.bench.answers.plain:application", "-p"),
    ),
    "bare": (
        "bare ASGI application, uvicorn",
        _peer(
            "uvicorn", "--log-level", "warning", "--lifespan", "off",
            "tests.bench.answers.bare:application", "--port",
        ),
    ),
}  # fmt: skip
SCENARIOS = {"200": 200, "1000": 1000}


def figures(runs: dict[str, list[Measurement]], streams: int) -> dict[str, Figures]:
    """Return the medians by contestant."""
    cost = {name: [1e6 * run.cpu / run.tokens for run in heard] for name, heard in runs.items()}
    return {
        name: Figures(
            len(heard),
            median(cost[name]),
            median(c / o for c, o in zip(cost[name], cost["ours"], strict=True)),
            median(run.tokens / (run.seconds * RATE * streams) for run in heard),
            median(run.delay(0.5) for run in heard),
            median(run.delay(0.99) for run in heard),
            median(run.memory for run in heard) / 1000,
            median(run.cpu / run.seconds for run in heard),
        )
        for name, heard in runs.items()
    }


def table(results: dict[str, Figures], streams: int) -> str:
    """Return one scenario's table."""
    head = (
        f"{streams} streams at {RATE:.0f} tokens/s\n"
        f"{'':34}  CPU ms per   times             p50     p99  KB per  core\n"
        f"{'':34} 1000 tokens    ours    came      ms      ms  stream  busy"
    )
    rows = [
        f"{CONTESTANTS[name][0]:34}{f.cpu_ms:12.1f}{f.ratio:8.2f}{f.rate:8.0%}{f.p50:8.0f}"
        f"{f.p99:8.0f}{f.memory:8.0f}{f.busy:6.0%}"
        for name, f in results.items()
    ]
    return "\n".join([head, *rows])


def bounds(results: dict[str, dict[str, Figures]]) -> list[Bound]:
    """Return the performance bounds that can be checked with these figures."""
    found = []
    if "plain" in results.get("200", {}):
        ratio = results["200"]["plain"].ratio
        found.append(Bound("200: a view per token over ours", ratio, 3, ratio >= 3))
    if "ours" in results.get("1000", {}):
        p99 = results["1000"]["ours"].p99
        found.append(Bound("1000: delay p99 of ours, ms", p99, 150, p99 <= 150))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.answers")
    parser.add_argument("--only", default="ours,plain,bare")
    parser.add_argument("--scenarios", default="200,1000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, dict[str, Figures]] = {}
    with Arena() as arena:
        for scenario in options.scenarios.split(","):
            streams = SCENARIOS[scenario]
            names = dict.fromkeys(["ours", *options.only.split(",")])
            runs: dict[str, list[Measurement]] = {name: [] for name in names}
            for _ in range(options.rounds):
                for name, heard in runs.items():
                    with CONTESTANTS[name][1](arena, streams) as (pid, port, requests):
                        heard.append(listen(port, requests, pid, options.seconds))
            results[scenario] = figures(runs, streams)
            print(table(results[scenario], streams), end="\n\n", flush=True)
    checked_bounds = bounds(results)
    print("\n".join(map(str, checked_bounds)))
    if options.json:
        facts = {
            name: {who: asdict(each) for who, each in rows.items()}
            for name, rows in results.items()
        }
        bounds_kept = [asdict(bound) for bound in checked_bounds]
        options.json.write_text(json.dumps({"scenarios": facts, "bounds": bounds_kept}, indent=1))


if __name__ == "__main__":
    main()
