"""What all servers of a run share: the two cores, Redis, an installation of ours, the picture."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import ROOT
from tests.bench import picture
from tests.installation import Installation
from tests.redis import RedisServer
from tests.waiting import accepts, free_port, until

CAMERAS = 16
SERVER_CORE, LOAD_CORE = 0, 1

_ROWS = """
import json
from cameras.models import Camera, StreamKey
from project.accounts.models import Organization
organization, _ = Organization.objects.get_or_create(slug="bench", defaults=dict(name="Bench"))
rows = []
for number in range(CAMERAS):
    camera = Camera.objects.create(organization=organization, name=f"{number}", kind="push")
    rows.append((str(camera.pk), StreamKey(camera=camera, name="bench").issue()))
print("ROWS" + json.dumps(rows))
""".replace("CAMERAS", str(CAMERAS))


@dataclass(frozen=True, slots=True)
class Standing:
    """A server that runs: the process to measure, where its ticks go, where a camera is watched."""

    pid: int
    ticks: int
    address: Callable[[int], tuple[int, str]]


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started inside, with all threads it will have, stays on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Arena:
    """Owns what it starts; `with` ends it."""

    def __init__(self) -> None:
        self._owned = contextlib.ExitStack()

    def __enter__(self) -> Arena:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        os.sched_setaffinity(0, {LOAD_CORE})
        os.environ.pop("DATABASE_URL", None)
        with self._owned:
            self.folder = Path(self._owned.enter_context(tempfile.TemporaryDirectory()))
            self.picture = self.folder / "picture.jpg"
            picture.make(self.picture)
            self.redis = self._owned.enter_context(RedisServer(self.folder))
            self._house: Installation | None = None
            self._rows: list[tuple[str, str]] = []
            self._owned = self._owned.pop_all()
        return self

    def __exit__(self, *failure: object) -> None:
        self._owned.close()

    @property
    def installation(self) -> Installation:
        """An installation with `CAMERAS` cameras, made when first asked for; nothing runs in it."""
        if self._house is None:
            data = self.folder / "data"
            data.mkdir()
            self._house = Installation(data, REDIS_URL=self.redis.url, SIDELINE_DEMO="0")
            self._owned.callback(self._house.stop)
            self._house.manage("migrate", "-v0")
            printed = self._house.manage("shell", "-v0", "-c", _ROWS)
            self._rows = json.loads(printed.partition("ROWS")[2])
        return self._house

    @property
    def cameras(self) -> list[str]:
        """Their ids, by number."""
        return [pk for pk, _ in self._rows]

    def key(self, camera: int) -> str:
        """The stream key of a camera, by number."""
        return self._rows[camera][1]

    @contextlib.contextmanager
    def process(
        self,
        words: Sequence[object],
        core: int,
        ready: Callable[[Path], bool],
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process on a core for as long as the block runs, from when it is ready.

        `ready` is told the file that has what it prints.
        """
        printed = self.folder / f"core{core}.txt"
        with on_core(core), printed.open("wb") as log:
            process = subprocess.Popen(
                [str(word) for word in words],
                cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            until(lambda: process.poll() is not None or ready(printed), 30, words)
            if process.poll() is not None:
                raise AssertionError(printed.read_text())
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @contextlib.contextmanager
    def listening(
        self, words: Sequence[object], port: int, environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A server on the server's core that accepts connections."""
        with self.process(words, SERVER_CORE, lambda _: accepts(port), environment) as process:
            yield process

    @contextlib.contextmanager
    def feeder(self, environment: Mapping[str, str], cameras: Sequence[str]) -> Iterator[int]:
        """A process that publishes a frame per tick; yields the port of its ticks."""
        port = free_port()
        words = [sys.executable, "-m", "tests.bench.feeder", port, self.picture, *cameras]
        with self.process(
            words, LOAD_CORE, lambda printed: "ready" in printed.read_text(), environment
        ):
            yield port
