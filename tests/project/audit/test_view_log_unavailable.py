"""If the log cannot be written, no endpoint sends pictures, and each refuses before it starts."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from cameras.api import pictures
from cameras.live.variants import Variant
from cameras.models import Camera
from project.accounts.credentials import Actor
from project.audit.log import Action
from project.audit.open_views import View
from project.audit.requesters import Requester
from tests.installation import Installation, installed
from tests.people import Scenario, create_scenario
from tests.project.audit.reading import ask
from tests.sockets import next_frame, refusal, watching
from tests.waiting import until, until_async

BUSY_S = 7.0  # Daphne would drop a handshake after five


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Scenario]]:
    """A separate installation: its log tables are renamed."""
    folder: Path = tmp_path_factory.mktemp("broken")
    with installed(folder) as installation:
        installation.serve()
        scenario = create_scenario(installation, "broken")
        with watching(installation, scenario.key) as socket:
            next_frame(socket, 20)
            yield installation, scenario


@contextlib.contextmanager
def without(installation: Installation, table: str) -> Iterator[None]:
    ask(installation, f"ALTER TABLE {table} RENAME TO elsewhere")
    try:
        yield
    finally:
        ask(installation, f"ALTER TABLE elsewhere RENAME TO {table}")


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "2"
    assert "cannot be recorded" in answer.json()["detail"]


@pytest.mark.postgres
def test_stream_is_refused_before_its_body(broken: tuple[Installation, Scenario]) -> None:
    installation, scenario = broken
    address, bearer = (
        f"{installation.url}/api/v1/cameras/{scenario.plaza}",
        scenario["viewer"].bearer,
    )
    with without(installation, "audit_viewing"):
        assert_unavailable(httpx.get(f"{address}/stream.mjpeg", headers=bearer, timeout=30))
        assert refusal(installation, scenario.plaza, headers=bearer) == 1011

    def plays() -> bool:
        with httpx.stream("GET", f"{address}/stream.mjpeg", headers=bearer, timeout=30) as answer:
            return answer.status_code == 200 and b"--sideline" in next(answer.iter_bytes())

    assert until(plays, 60, "the log to be written again")


def test_snapshot_is_refused(broken: tuple[Installation, Scenario]) -> None:
    installation, scenario = broken
    address = f"{installation.url}/api/v1/cameras/{scenario.plaza}/snapshot.jpg"
    with httpx.Client(headers=scenario["viewer"].bearer, timeout=30) as client:
        with without(installation, "audit_viewing"):
            until(lambda: client.head(address).status_code == 200, 60, "a picture")
            assert_unavailable(client.get(address))
        until(lambda: client.get(address).status_code == 200, 60, "a picture")


@contextlib.contextmanager
def busy(installation: Installation, seconds: float) -> Iterator[None]:
    """Lock the database for some seconds, so that the log has to wait."""
    with contextlib.closing(writer(installation)) as other:
        end = threading.Timer(seconds, other.rollback)
        end.start()
        try:
            yield
        finally:
            end.join()


def writer(installation: Installation) -> Any:
    """Return a connection with an open transaction that blocks writes to the log."""
    if url := installation.environment.get("DATABASE_URL"):
        connection: Any = psycopg.connect(url)
        connection.execute("LOCK TABLE audit_viewing IN ACCESS EXCLUSIVE MODE")
        return connection
    file = installation.folder / "sideline.sqlite3"
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection


@pytest.mark.postgres
def test_viewer_waits_while_the_database_is_busy(
    broken: tuple[Installation, Scenario],
) -> None:
    installation, scenario = broken
    began = time.monotonic()
    with (
        busy(installation, BUSY_S),
        watching(
            installation, scenario.plaza, headers=scenario["operator"].bearer, open_timeout=30
        ) as socket,
    ):
        assert time.monotonic() - began > BUSY_S - 1
        next_frame(socket)


class Ends:
    """Stands in for view log, hub and connection monitor; records what was ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def begin(self, *_: Any) -> None: ...

    def end(self, _: View) -> None:
        self.ended.append("view")

    def join(self, *_: Any, **__: Any) -> Ends:
        return self

    def watch(self, *_: Any) -> None: ...

    def forget(self, _: object) -> None:
        self.ended.append("watch")

    def leave(self) -> None:
        self.ended.append("viewer")


async def test_client_gone_before_the_first_byte_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = Ends()
    for name in ("view_log", "hub", "connection_monitor"):
        monkeypatch.setattr(pictures.services, name, lambda: ends)
    camera = Camera(name="Gate")
    view = View.of(Requester(), camera, Action.WATCH_MJPEG)
    parts = pictures._parts(camera, Actor(), view, Variant(), None)
    assert await anext(parts) == b""
    del parts
    gc.collect()
    await until_async(lambda: len(ends.ended) >= 3, 30)
    assert sorted(ends.ended) == ["view", "viewer", "watch"]
