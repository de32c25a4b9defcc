"""The faults: which part, how they begin and end, and what is promised to its users."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from tests.disks import fill
from tests.faults.stand import FILES, PUSHED, Stand
from tests.installation import Installation
from tests.processes import freeze


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised, in seconds.

    `gap_s` is the longest time without a new picture for viewers that the fault touches,
    `elsewhere_s` for the others; `live_s` the age of the oldest picture that is shown as live;
    `text_s` is of an answer's text that is taken back; after `ends_s`, followers on another server
    know that an answer was interrupted. `told` is all that anybody may be told, and `must` what
    somebody has to be: beginnings, after “who: ”.
    """

    gap_s: float
    elsewhere_s: float = 1.0
    text_s: float = 0.0
    ends_s: float = 0.0
    live_s: float = 3.0
    told: Collection[str] = ()
    must: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that has begun: what ends it, and the web servers and cameras that it touches."""

    end: Callable[[], object]
    webs: Collection[Installation] = ()
    cameras: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """`begin(stand, number)` begins it; the number of the round chooses between equal parts."""

    part: str
    kind: str
    begin: Callable[[Stand, int], Struck]
    hold_s: float
    promise: Promise
    is_telling: bool = False  # part of the short form

    @property
    def name(self) -> str:
        return f"{self.part}: {self.kind}"


def _web(stand: Stand, number: int) -> tuple[Installation, frozenset[str]]:
    """A web server, and the cameras whose device pushes to it."""
    web, pushes = stand.webs[number % 2], frozenset({PUSHED})
    return web, pushes if web is stand.webs[0] else frozenset()


def web_ends(how: signal.Signals) -> Callable[[Stand, int], Struck]:
    """A web server ends by a signal; it is started again."""

    def begin(stand: Stand, number: int) -> Struck:
        web, cameras = _web(stand, number)
        web.processes[0].send_signal(how)
        return Struck(lambda: stand.start(web), [web], cameras)

    return begin


def web_freezes(stand: Stand, number: int) -> Struck:
    web, cameras = _web(stand, number)
    return Struck(freeze(web.processes[0].pid), [web], cameras)


def ingest_ends(how: signal.Signals) -> Callable[[Stand, int], Struck]:
    """An ingest process ends by a signal; it is started again."""

    def begin(stand: Stand, number: int) -> Struck:
        ingest = stand.ingests[number % 2]
        cameras = stand.cameras_of(ingest)
        ingest.processes[0].send_signal(how)
        return Struck(lambda: stand.start(ingest), (), cameras)

    return begin


def ingest_freezes(stand: Stand, number: int) -> Struck:
    ingest = stand.ingests[number % 2]
    return Struck(freeze(ingest.processes[0].pid), (), stand.cameras_of(ingest))


def at_once(begin: Callable[[Stand, int], Struck]) -> Callable[[Stand, int], Struck]:
    """The fault ends as soon as it has begun."""

    def both(stand: Stand, number: int) -> Struck:
        struck = begin(stand, number)
        struck.end()
        return replace(struck, end=lambda: None)

    return both


def worker_ends(stand: Stand, number: int) -> Struck:
    name = FILES[number % 2]
    stand.worker(name).kill()
    return Struck(lambda: None, (), [name])


def worker_freezes(stand: Stand, number: int) -> Struck:
    """Its supervisor replaces it; nobody wakes it."""
    name = FILES[number % 2]
    stand.worker(name).suspend()
    return Struck(lambda: None, (), [name])


def _everything(stand: Stand, end: Callable[[], object]) -> Struck:
    return Struck(end, stand.webs, stand.cameras)


def postgres_ends(stand: Stand, number: int) -> Struck:
    stand.cluster.stop()
    return _everything(stand, stand.cluster.start)


def postgres_freezes(stand: Stand, number: int) -> Struck:
    return _everything(stand, freeze(stand.cluster.pid))


def database_disk_fills(stand: Stand, number: int) -> Struck:
    """PostgreSQL may end by itself: then it is started again, as its service manager would."""
    filling = stand.database_disk / "filling"
    fill(filling)

    def end() -> None:
        filling.unlink()
        if not stand.cluster.is_running:
            stand.cluster.start()

    return _everything(stand, end)


def data_disk_fills(stand: Stand, number: int) -> Struck:
    filling = stand.data_disk / "filling"
    fill(filling)
    return _everything(stand, filling.unlink)


def redis_ends(stand: Stand, number: int) -> Struck:
    stand.redis.stop()
    return _everything(stand, stand.redis.start)


def redis_freezes(stand: Stand, number: int) -> Struck:
    stand.redis.freeze()
    return _everything(stand, stand.redis.thaw)


def nothing(stand: Stand, number: int) -> Struck:
    return _everything(stand, lambda: None)


GONE = frozenset(
    f"{who}: {what}"
    for who in ("viewers", "followers", "callers", "devices")
    for what in ("cut", "no connection")
) | {"callers: new socket 1006"}
INTERRUPTED = frozenset({"followers: error “interrupted”"})
STALE = frozenset({"viewers: stale"})
# Pictures come late on a machine that does much else: then viewers are told, whatever the fault.
LATE = STALE | {"viewers: offline", "callers: 503, Retry-After 2"}
DARK = LATE | {"devices: 503"}
NOT_READY = frozenset({"callers: readyz 503"})
REFUSED = NOT_READY | {"callers: 503, Retry-After 5", "callers: new socket 1011"}
RETRYING = REFUSED | {"followers: 503, Retry-After 5"}
# Clients of a server that is away come back with an attempt after 1, 3, 7 or 15 s; a device that
# pushes to it is offline meanwhile.
AWAY_S, AWAY = 16, GONE | INTERRUPTED | STALE | {"viewers: offline"}
KILLED = Promise(AWAY_S, text_s=0.3, ends_s=3, must=INTERRUPTED, told=AWAY | {"followers: reset"})
CLOSED = Promise(
    AWAY_S, ends_s=3, must=INTERRUPTED,
    told=AWAY
    | {"viewers: closed 1001", "devices: closed 1001", "callers: new socket 1001"},
)  # fmt: skip
# A device's picture that waited in a frozen server counts from when the server reads it.
WEB_FROZEN = Promise(10, told=STALE, live_s=9)
LEASE_LOST = Promise(10, told=DARK, must=STALE)
WORKER_LOST = Promise(10, told=DARK)
HANDED_OVER = Promise(1)
OUTAGE = Promise(1, told=RETRYING, must=REFUSED)
DATABASE_FROZEN = Promise(3, told=RETRYING, must=REFUSED)
DISK_FULL = Promise(1, told=RETRYING, must=NOT_READY)
REDIS_LOST = Promise(12, told=DARK | NOT_READY, must=STALE)
REDIS_BACK = Promise(3, told=NOT_READY | {"devices: 503"})

TERM, KILL = signal.SIGTERM, signal.SIGKILL
FAULTS = (
    Fault("nothing", "for comparison", nothing, 5, Promise(1)),
    Fault("web", "killed, started after 2 s", web_ends(KILL), 2, KILLED, True),
    Fault("web", "stopped, started after 5 s", web_ends(TERM), 5, CLOSED),
    Fault("web", "restarted", at_once(web_ends(TERM)), 5, CLOSED, True),
    Fault("web", "frozen for 8 s", web_freezes, 8, WEB_FROZEN),
    Fault("ingest", "killed, started after 2 s", ingest_ends(KILL), 2, LEASE_LOST, True),
    Fault("ingest", "stopped, started after 10 s", ingest_ends(TERM), 10, HANDED_OVER),
    Fault("ingest", "restarted", at_once(ingest_ends(TERM)), 5, HANDED_OVER, True),
    Fault("ingest", "frozen for 12 s", ingest_freezes, 12, LEASE_LOST),
    Fault("a camera's process", "killed", worker_ends, 5, WORKER_LOST, True),
    Fault("a camera's process", "frozen", worker_freezes, 8, WORKER_LOST),
    Fault("PostgreSQL", "killed, started after 8 s", postgres_ends, 8, OUTAGE, True),
    Fault("PostgreSQL", "restarted", at_once(postgres_ends), 5, Promise(1, told=RETRYING)),
    Fault("PostgreSQL", "frozen for 15 s", postgres_freezes, 15, DATABASE_FROZEN),
    Fault("PostgreSQL", "disk full for 10 s", database_disk_fills, 10, DISK_FULL, True),
    Fault("data folder", "disk full for 8 s", data_disk_fills, 8, Promise(1)),
    Fault("Redis", "killed, started after 8 s", redis_ends, 8, REDIS_LOST, True),
    Fault("Redis", "restarted", at_once(redis_ends), 5, REDIS_BACK),
    Fault("Redis", "frozen for 8 s", redis_freezes, 8, REDIS_LOST),
)
