"""Every view of a camera is recorded, from its first frame to its end, however it ends."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from project.audit.models import AuditEntry, Viewing
from project.audit.open_views import SILENCE, reap
from tests.installation import Installation, installed, second_server
from tests.people import Scenario, create_scenario
from tests.project.audit.reading import ask, entries, open_views
from tests.publishers import publishing
from tests.redis import RedisServer
from tests.sockets import close_code, next_frame, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    """Users of these tests only, after the views of earlier tests have ended."""
    made = create_scenario(installation, "logged")
    until(lambda: not open_views(installation, made.plaza), 60, "the views of other tests")
    return made


def _new(
    installation: Installation, scenario: Scenario, before: int, action: str = "watch"
) -> dict[str, object]:
    found = until(lambda: entries(installation, scenario.plaza, action)[before:], 30, "an entry")
    assert len(found) == 1
    return found[0]


def test_view_is_recorded_from_first_frame_to_end(
    installation: Installation, scenario: Scenario
) -> None:
    before = len(entries(installation, scenario.plaza))
    began = datetime.now(UTC)
    with watching(installation, scenario.plaza, headers=scenario["viewer"].bearer) as socket:
        next_frame(socket, 30)
        (row,) = [
            r for r in open_views(installation, scenario.plaza) if r["who"] == "logged-viewer"
        ]
        assert len(entries(installation, scenario.plaza)) == before, "it has not ended"
        watched = datetime.now(UTC)
    entry = _new(installation, scenario, before)
    assert entry["who"] == "logged-viewer"
    assert entry["via"] == "token “Sign-in”"
    assert entry["address"] == "127.0.0.1"
    assert entry["subject"] == "Plaza"
    assert entry["started_at"] == row["started_at"]
    assert began < entry["started_at"] < watched < entry["ended_at"] < datetime.now(UTC)
    assert entry["at"] == entry["ended_at"]
    assert not [r for r in open_views(installation, scenario.plaza) if r["who"] == "logged-viewer"]


def test_stream_key_is_named(installation: Installation, scenario: Scenario) -> None:
    before = len(entries(installation, scenario.plaza))
    with watching(installation, scenario.key) as socket:
        next_frame(socket)
    entry = _new(installation, scenario, before)
    assert (entry["who"], entry["via"]) == ("stream key “test”", "stream key")


def test_session_is_named(installation: Installation, scenario: Scenario) -> None:
    before = len(entries(installation, scenario.plaza))
    headers = {"Cookie": f"sideline_session={scenario['viewer'].session}"}
    with watching(installation, scenario.plaza, headers=headers, origin=installation.url) as socket:
        next_frame(socket)
    entry = _new(installation, scenario, before)
    assert (entry["who"], entry["via"]) == ("logged-viewer", "session")


def test_ticket_is_named_after_the_credential_that_requested_it(
    installation: Installation, scenario: Scenario
) -> None:
    before = len(entries(installation, scenario.plaza))
    answer = httpx.post(
        f"{installation.url}/api/v1/tickets",
        json={"camera": scenario.plaza, "purpose": "watch"},
        headers=scenario["viewer"].bearer,
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    with watching(
        installation, scenario.plaza, query=f"?ticket={answer.json()['ticket']}"
    ) as socket:
        next_frame(socket)
    entry = _new(installation, scenario, before)
    assert (entry["who"], entry["via"]) == ("logged-viewer", "ticket of a token “Sign-in”")


def test_view_ends_in_the_log_when_its_key_is_revoked(
    installation: Installation, scenario: Scenario
) -> None:
    mine = create_scenario(installation, "view-withdrawn")
    with watching(installation, mine.key) as socket:
        next_frame(socket)
        before = len(entries(installation, mine.plaza))
        revoked = httpx.delete(
            f"{installation.url}/api/v1/stream-keys/{mine.key_id}",
            headers=mine["operator"].bearer,
            timeout=30,
        )
        assert revoked.status_code == 204
        assert close_code(socket, 30) == 4401
    assert _new(installation, mine, before)["who"] == "stream key “test”"


def test_mjpeg_is_logged_as_a_view(installation: Installation, scenario: Scenario) -> None:
    before = len(entries(installation, scenario.plaza, "watch as MJPEG"))
    address = f"{installation.url}/api/v1/cameras/{scenario.plaza}/stream.mjpeg"
    with httpx.stream("GET", address, headers=scenario["viewer"].bearer, timeout=30) as stream:
        parts = stream.iter_bytes()  # kept: httpx hangs up when the iterator goes
        next(parts)
        rows = open_views(installation, scenario.plaza)
        (row,) = [r for r in rows if (r["who"], r["action"]) == ("logged-viewer", "watch as MJPEG")]
        assert row["camera_id"] == uuid.UUID(scenario.plaza)
    entry = _new(installation, scenario, before, "watch as MJPEG")
    assert entry["who"] == "logged-viewer"
    assert entry["ended_at"] >= entry["started_at"]


def test_publishing_is_logged(installation: Installation, scenario: Scenario) -> None:
    with publishing(installation, scenario.push, headers=scenario["operator"].bearer):
        until(lambda: open_views(installation, scenario.push), 30)
    (entry,) = until(lambda: entries(installation, scenario.push, "publish"), 30)
    assert entry["who"] == "logged-operator"


def test_snapshot_is_logged_before_it_is_sent(
    installation: Installation, scenario: Scenario
) -> None:
    address = f"{installation.url}/api/v1/cameras/{scenario.plaza}/snapshot.jpg"
    bearer = scenario["viewer"].bearer
    seen = until(lambda: _if_ok(httpx.head(address, headers=bearer, timeout=30)), 30, "a picture")
    assert seen.content == b""
    assert int(seen.headers["Content-Length"]) > 1000

    def mine() -> list[dict[str, Any]]:
        rows = entries(installation, scenario.plaza, "take snapshot")
        return [row for row in rows if row["who"] == "logged-viewer"]

    assert mine() == [], "HEAD sends no picture"
    until(lambda: _if_ok(httpx.get(address, headers=bearer, timeout=30)), 30, "a picture")
    assert len(mine()) == 1


def _if_ok(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 200 else None


def test_refused_viewer_has_no_view(installation: Installation, scenario: Scenario) -> None:
    before = len(entries(installation, scenario.plaza))
    with watching(installation, scenario.plaza, headers=scenario["outsider"].bearer) as socket:
        assert close_code(socket, 30) == 4404
    with watching(installation, scenario.key) as socket:  # its entry comes after any earlier one
        next_frame(socket)
    assert _new(installation, scenario, before)["who"] == "stream key “test”"


@pytest.mark.extended
@pytest.mark.postgres
def test_stopping_the_server_writes_open_views(folder: os.PathLike[str]) -> None:
    with installed(folder) as own:  # type: ignore[arg-type]
        server = own.serve()
        scenario = create_scenario(own, "stopped")
        with watching(own, scenario.key) as socket:
            next_frame(socket, 30)
            snapshot = f"{own.url}/api/v1/cameras/{scenario.plaza}/snapshot.jpg"
            with httpx.Client(headers=scenario["viewer"].bearer, timeout=30) as viewer:
                for _ in range(3):
                    until(lambda: _if_ok(viewer.get(snapshot)), 60, "a picture")
            over = datetime.now(UTC)
            server.terminate()
            server.wait(30)
        assert len(entries(own, scenario.plaza, "take snapshot")) == 2, "the first and a count"
        (entry,) = entries(own, scenario.plaza)
        assert over < entry["ended_at"] < datetime.now(UTC)
        assert open_views(own, scenario.plaza) == []
        assert "Traceback" not in own.logged()


def _age(own: Installation, seconds: int) -> None:
    """Make the heartbeats of all open views older by some seconds."""
    if own.environment.get("DATABASE_URL"):
        shift = f"seen_at - interval '{seconds} seconds'"
    else:
        shift = f"strftime('%Y-%m-%d %H:%M:%f', seen_at, '-{seconds} seconds')"
    ask(own, f"UPDATE audit_viewing SET seen_at = {shift}")


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, redis: RedisServer
) -> Iterator[tuple[Installation, Installation]]:
    """Two web processes that share a database and Redis, and one ingest process."""
    with installed(tmp_path_factory.mktemp("first"), REDIS_URL=redis.url) as first:
        first.serve()
        first.spawn("ingest")
        with second_server(first) as second:
            yield first, second


@pytest.mark.extended
@pytest.mark.postgres
def test_views_of_a_killed_process_are_closed_once_by_another(
    two: tuple[Installation, Installation],
) -> None:
    first, second = two
    scenario = create_scenario(first, "killed")
    with watching(second, scenario.key) as there, watching(first, scenario.key) as here:
        next_frame(there, 30)
        next_frame(here, 30)
        rows = {row["process"]: row for row in open_views(first, scenario.plaza)}
        assert len(rows) == 2
        (theirs,) = [name for name in rows if f"/{second.processes[0].pid}/" in name]
        os.killpg(second.processes[0].pid, signal.SIGKILL)
        second.processes[0].wait()
        _age(first, 60)  # the living process sends a heartbeat before it looks
        (entry,) = until(lambda: entries(first, scenario.plaza), 60, "the dead process's view")
        assert entry["started_at"] == rows[theirs]["started_at"]
        assert entry["ended_at"] >= entry["started_at"]
        next_frame(here)
        (row,) = open_views(first, scenario.plaza)
        assert f"/{first.processes[0].pid}/" in row["process"]
    until(lambda: len(entries(first, scenario.plaza)) >= 2, 30)
    with watching(first, scenario.key) as last:
        next_frame(last, 30)
    until(lambda: entries(first, scenario.plaza)[-1]["started_at"] > row["started_at"], 30)
    assert len(entries(first, scenario.plaza)) == 3


@pytest.mark.django_db
@pytest.mark.postgres
def test_views_of_a_silent_process_end_at_its_last_heartbeat(club: Any) -> None:
    now = timezone.now()
    silent = now - SILENCE - timedelta(minutes=1)
    began = silent - timedelta(minutes=1)
    for who, seen in (("gone", silent), ("alive", now)):
        Viewing.objects.create(
            who=who, organization=club, subject="Gate", action="watch", process=who,
            started_at=began, seen_at=seen,
        )  # fmt: skip
    assert [reap(), reap()] == [1, 0]
    assert Viewing.objects.get().who == "alive"
    entry = AuditEntry.objects.get()
    assert (entry.who, entry.started_at, entry.ended_at) == ("gone", began, silent)
