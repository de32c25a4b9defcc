"""An installation whose cameras several ingest processes share, and its viewers."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import psutil
import redis as redis_client

from tests import ROOT
from tests.installation import Installation, Process
from tests.redis import RedisServer
from tests.sockets import age_ms, receive_and_acknowledge, watching
from tests.waiting import until

CLIP = ROOT / "cameras/data/plaza.mp4"
NAMES = ("a.mp4", "b.mp4", "c.mp4", "d.mp4")


def check_stays_true(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Check for some seconds that the condition stays true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), what
        time.sleep(0.1)


class Watcher:
    """One viewer of a camera, in its own thread, and what it received."""

    def __init__(self, installation: Installation, camera: str) -> None:
        self.frames: list[tuple[float, int]] = []  # received (unix s), taken (unix ms)
        self.orders: list[tuple[int, int]] = []  # run and number of each
        self.states: list[str] = []
        self._installation, self._camera = installation, camera
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ending.set()
        self._thread.join(10)

    def _watch(self) -> None:
        bearer = {"Authorization": f"Bearer {self._installation.token}"}
        with watching(self._installation, self._camera, v1=True, headers=bearer) as socket:
            while not self._ending.is_set():
                with contextlib.suppress(TimeoutError):
                    message = receive_and_acknowledge(socket, 0.5)
                    if "state" in message:
                        self.states.append(message["state"])
                    if abs(age_ms(message)) < 1000:
                        self.frames.append((time.time(), message["timestamp"]))
                        self.orders.append((message["run"], message["seq"]))

    def since(self, moment: float) -> float | None:
        """Seconds from that unix time until a picture taken after it arrived; None if none did."""
        return next((at - moment for at, taken in self.frames if taken > moment * 1000), None)

    def gap(self) -> float:
        """The longest time between two pictures."""
        return max((b - a for (a, _), (b, _) in pairwise(self.frames)), default=0.0)


class Club:
    """An installation with four cameras, each with its own file, and several ingest processes."""

    def __init__(self, installation: Installation, redis: RedisServer) -> None:
        self.installation, self.redis = installation, redis
        installation.serve()
        with installation.api() as api:
            for camera in api.get("/cameras").json()["results"]:
                api.patch(f"/cameras/{camera['id']}", json={"enabled": False})
            organization = api.get("/organizations").json()["results"][0]["id"]
        media = installation.folder / "media" / organization
        media.mkdir(exist_ok=True)
        self.cameras = {}
        for name in NAMES:
            shutil.copy(CLIP, media / name)
            facts = {"name": name, "kind": "file", "source": name, "detect": False, "width": 320}
            self.cameras[name] = installation.add_camera(**facts)
        self.ingests: list[Process] = []

    def readers(self) -> dict[str, list[int]]:
        """By camera: the ids of the ingest processes whose workers have its file open."""
        found: dict[str, list[int]] = {name: [] for name in NAMES}
        for process in self.installation.children("cameras.ingest.worker.main"):
            with contextlib.suppress(psutil.Error):
                for name in {os.path.basename(file.path) for file in process.open_files()}:
                    if name in found:
                        found[name].append(psutil.Process(process.ppid()).ppid())
        return found

    def shares(self) -> dict[int, int]:
        """The number of cameras by process; empty unless each camera has exactly one."""
        readers = self.readers()
        if any(len(pids) != 1 for pids in readers.values()):
            return {}
        return dict(Counter(pids[0] for pids in readers.values()))

    def cameras_of(self, process: Process) -> list[str]:
        """The names of the cameras that a process reads."""
        return [name for name, pids in self.readers().items() if process.pid in pids]

    def two_ingests(self) -> tuple[Process, Process]:
        """Return two ingest processes that read two cameras each; start them if necessary."""
        self.ingests = [process for process in self.ingests if process.poll() is None]
        while len(self.ingests) < 2:
            self.ingests.append(self.installation.spawn("ingest"))
        until(lambda: self.has_shares([2, 2]), 30, "two cameras each")
        return self.ingests[0], self.ingests[1]

    def has_shares(self, wanted: list[int]) -> bool:
        """True if the processes lease and read these numbers of cameras."""
        leased = Counter(holder for holder in self.leases().values() if holder)
        return sorted(leased.values()) == wanted == sorted(self.shares().values())

    @contextlib.contextmanager
    def watched(self) -> Iterator[dict[str, Watcher]]:
        """A viewer per camera, once each has a picture. None may get the state “ended”."""
        with contextlib.ExitStack() as viewers:
            seen = {
                name: viewers.enter_context(Watcher(self.installation, camera))
                for name, camera in self.cameras.items()
            }
            for one in seen.values():
                until(lambda one=one: one.frames, 20, "a picture")
            yield seen
        for one in seen.values():
            assert "ended" not in one.states

    def wait_for_pictures(self, seen: dict[str, Watcher], moment: float, seconds: float) -> float:
        """Wait for new pictures of all. Return the longest time in seconds, from `moment`."""
        for one in seen.values():
            until(lambda one=one: one.since(moment) is not None, seconds, "a new picture")
        return max(one.since(moment) or 0.0 for one in seen.values())

    def leases(self) -> dict[str, bytes | None]:
        """The holder of each camera's lease in Redis."""
        holders = lease_holders(self.redis, self.cameras.values())
        return dict(zip(self.cameras, holders, strict=True))


def lease_holders(redis: RedisServer, cameras: Iterable[str]) -> list[bytes | None]:
    """Who leases each of these cameras: `host:pid:` and a random number."""
    with redis_client.Redis(port=redis.port) as client:
        holders: list[bytes | None] = client.mget([f"sideline:lease:{one}" for one in cameras])
        return holders
