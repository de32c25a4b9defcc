"""A whole installation whose database is down, frozen, or on a full disk, and afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.disks import NoSmallDisk, fill, small_disk
from tests.installation import Installation, installed
from tests.prepared import KEEPER
from tests.processes import freeze
from tests.sockets import next_frame, refusal, watching
from tests.waiting import until
from tests.with_postgres import Cluster

pytestmark = pytest.mark.extended

PATIENCE_S = 60  # of clients: a request that hangs fails


class Caller:
    """Requests of each kind to an installation, with a token and a session from before."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        with installation.api() as api:
            self.headers = {"Authorization": api.headers["Authorization"]}
            self.camera = api.get("/cameras").json()["results"][0]["id"]
            self._organization = api.get("/organizations").json()["results"][0]["id"]
        made = self._create_chat()
        assert made.status_code == 201, made.text
        self._chat = made.json()["id"]

    def get(self, path: str, **options: Any) -> httpx.Response:
        options = {"headers": self.headers, "timeout": PATIENCE_S, **options}
        return httpx.get(self._installation.url + path, **options)

    def post(self, path: str, body: object) -> httpx.Response:
        url = self._installation.url + path
        return httpx.post(url, json=body, headers=self.headers, timeout=PATIENCE_S)

    def _sign_in(self) -> httpx.Response:
        return self.post("/api/v1/auth/login", KEEPER)

    def _create_chat(self) -> httpx.Response:
        return self.post("/api/v1/actions/chats", {"organization": self._organization})

    def _readyz(self) -> httpx.Response:
        return self.get("/readyz")

    def reads(self) -> dict[str, httpx.Response]:
        """Requests that only read."""
        return {
            "list": self.get("/api/v1/cameras"),
            "history": self.get(f"/api/v1/actions/chats/{self._chat}/messages"),
            "page": self.get("/", headers={"Cookie": f"sideline_session={'a' * 32}"}),
        }

    def writes(self) -> dict[str, httpx.Response]:
        """Requests that must store something."""
        return {
            "sign-in": self._sign_in(),
            "new chat": self._create_chat(),
            "ask": self.post(f"/api/v1/actions/chats/{self._chat}/messages", {"prompt": "Hello"}),
        }

    def socket(self, camera: str = "") -> int:
        """The close code of a new socket, the status of a refused one, or 200."""
        return refusal(self._installation, camera or self.camera, headers=self.headers)

    def is_ready(self) -> bool:
        return self._readyz().status_code == 200

    def works(self) -> bool:
        """True if it reads and stores. It does not ask: the built-in model is slow."""
        answers = [*self.reads().values(), self._sign_in(), self._create_chat(), self._readyz()]
        return all(answer.status_code < 400 for answer in answers)


def check_refused(answers: dict[str, httpx.Response]) -> None:
    for name, answer in answers.items():
        assert answer.status_code == 503, (name, answer.text)
        assert int(answer.headers["Retry-After"]) > 0, name
        if name == "page":
            assert "<h1>Not available just now</h1>" in answer.text
        else:
            assert answer.headers["Content-Type"] == "application/problem+json", name


@contextlib.contextmanager
def outage_of(process: str, installation: Installation) -> Iterator[None]:
    """Check the log: the process says once that the outage began and once that it ended."""
    before = len(installation.logged())
    yield
    again = f"{process}: the database can be used again"
    until(lambda: again in installation.logged()[before:], 60)
    lines = installation.logged()[before:].splitlines()
    assert sum(f"{process}: the database cannot be used" in line for line in lines) == 1, lines
    assert sum(again in line for line in lines) == 1, lines
    others = [line for line in lines if "project.database.health" not in line]
    assert others == [], "an outage has consequences in the log"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Installation]:
    """An installation on a PostgreSQL server that its tests may stop."""
    with installed(tmp_path_factory.mktemp("outages")) as installation:
        installation.environment["DATABASE_URL"] = cluster.url
        installation.start()
        yield installation


@pytest.fixture(scope="module")
def caller(apart: Installation) -> Caller:
    found = Caller(apart)
    until(lambda: apart.state(found.camera) == "live", 60, "the demo camera")
    return found


def crash(cluster: Cluster) -> Callable[[], None]:
    """Stop the server. Return what starts it again."""
    cluster.stop()
    return cluster.start


def hang(cluster: Cluster) -> Callable[[], None]:
    """Stop all processes of the server, which keep their connections. Return what wakes them."""
    return freeze(cluster.pid)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stop", [crash, hang])
def test_server_without_its_postgresql_refuses_for_the_time_being(
    apart: Installation, cluster: Cluster, caller: Caller, stop: Callable[[Cluster], Any]
) -> None:
    with outage_of("web", apart), outage_of("ingest", apart):
        with watching(apart, caller.camera, headers=caller.headers) as live:
            next_frame(live)
            begin_again = stop(cluster)
            try:
                assert caller.socket() == 1011
                check_refused(caller.reads() | caller.writes())
                assert caller.socket() == 1011
                assert not caller.is_ready()
                assert caller.get("/healthz").status_code == 200
                assert caller.get("/static/css/base.css").status_code == 200
                for _ in range(30):
                    next_frame(live)
                until(lambda: "ingest: the database cannot be used" in apart.logged(), 60)
            finally:
                begin_again()
            until(caller.works, 60)
            next_frame(live)
        assert caller.socket() == 200


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    try:
        with small_disk(tmp_path / "disk", 24) as folder:
            yield folder
    except NoSmallDisk as error:
        pytest.skip(str(error))


@pytest.mark.timeout(300)
def test_full_disk_stops_what_must_be_stored_and_nothing_else(disk: Path, tmp_path: Path) -> None:
    folder, filling = disk / "data", disk / "filling"
    folder.mkdir()
    with installed(folder) as installation:
        installation.log = tmp_path / "log.txt"
        installation.serve()
        caller = Caller(installation)
        until(caller.works, 60)
        other = installation.add_camera(name="Other", kind="push")
        with outage_of("web", installation):
            with watching(installation, caller.camera, headers=caller.headers) as live:
                next_frame(live)
                fill(filling)
                check_refused(caller.writes())
                assert not caller.is_ready()
                assert caller.socket(other) == 1011, "its view would be a new row"
                assert all(answer.status_code < 400 for answer in caller.reads().values())
                for _ in range(30):
                    next_frame(live)
            filling.unlink()
            until(caller.works, 60)
        assert "disk is full" in installation.logged()
