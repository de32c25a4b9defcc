"""The environment of a benchmark run: two cores, Redis, an installation and the picture."""

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
class RunningServer:
    """A running server: the process to measure, the port of its ticks, and each camera's address.

    `address(camera)` returns port and path for viewers of a camera, by its number.
    """

    pid: int
    ticks: int
    address: Callable[[int], tuple[int, str]]


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Pin processes started inside, with all their threads, to this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Arena:
    """Owns what it starts, and stops it at the end of the `with` block."""

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
            self._installation: Installation | None = None
            self._rows: list[tuple[str, str]] = []
            self._owned = self._owned.pop_all()
        return self

    def __exit__(self, *failure: object) -> None:
        self._owned.close()

    @property
    def installation(self) -> Installation:
        """An installation with `CAMERAS` cameras, created at first use; no process runs in it."""
        if self._installation is None:
            data = self.folder / "data"
            data.mkdir()
            self._installation = Installation(data, REDIS_URL=self.redis.url, SIDELINE_DEMO="0")
            self._owned.callback(self._installation.stop)
            self._installation.manage("migrate", "-v0")
            printed = self._installation.manage("shell", "-v0", "-c", _ROWS)
            self._rows = json.loads(printed.partition("ROWS")[2])
        return self._installation

    @property
    def cameras(self) -> list[str]:
        """The cameras' ids, by number."""
        return [pk for pk, _ in self._rows]

    def key(self, camera: int) -> str:
        """Return the stream key of a camera, by number."""
        return self._rows[camera][1]

    @contextlib.contextmanager
    def process(
        self,
        words: Sequence[object],
        core: int,
        ready: Callable[[Path], bool],
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a process on a core during the block; wait until it is ready.

        `ready` is called with the file of its output.
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
        """Run a server on the server core; wait until it accepts connections."""
        with self.process(words, SERVER_CORE, lambda _: accepts(port), environment) as process:
            yield process

    @contextlib.contextmanager
    def feeder(self, environment: Mapping[str, str], cameras: Sequence[str]) -> Iterator[int]:
        """Run a process that publishes a frame per tick; yield the port of its ticks."""
        port = free_port()
        words = [sys.executable, "-m", "tests.bench.feeder", port, self.picture, *cameras]
        with self.process(
            words, LOAD_CORE, lambda printed: "ready" in printed.read_text(), environment
        ):
            yield port
