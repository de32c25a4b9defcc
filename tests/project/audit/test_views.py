"""Every view of a camera is on record: from its first frame, to its end, whatever ends it."""

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
from tests.installation import Installation, beside, installed
from tests.people import Cast, assemble
from tests.project.audit.reading import ask, entries, open_views
from tests.publishers import publishing
from tests.redis import RedisServer
from tests.sockets import ended, frame, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    """People of these tests alone; whoever watched before is on record, and gone."""
    made = assemble(installation, "logged")
    until(lambda: not open_views(installation, made.plaza), 60, "the views of other tests")
    return made


def _new(
    installation: Installation, cast: Cast, before: int, action: str = "watch"
) -> dict[str, object]:
    found = until(lambda: entries(installation, cast.plaza, action)[before:], 30, "an entry")
    assert len(found) == 1
    return found[0]


def test_a_view_is_on_record_from_its_first_frame_to_its_end(
    installation: Installation, cast: Cast
) -> None:
    before = len(entries(installation, cast.plaza))
    began = datetime.now(UTC)
    with watching(installation, cast.plaza, headers=cast["viewer"].bearer) as socket:
        frame(socket, 30)
        (row,) = [r for r in open_views(installation, cast.plaza) if r["who"] == "logged-viewer"]
        assert len(entries(installation, cast.plaza)) == before, "it has not ended"
        watched = datetime.now(UTC)
    entry = _new(installation, cast, before)
    assert entry["who"] == "logged-viewer"
    assert entry["via"] == "token “Sign-in”"
    assert entry["address"] == "127.0.0.1"
    assert entry["subject"] == "Plaza"
    assert entry["started_at"] == row["started_at"]
    assert began < entry["started_at"] < watched < entry["ended_at"] < datetime.now(UTC)
    assert entry["at"] == entry["ended_at"]
    assert not [r for r in open_views(installation, cast.plaza) if r["who"] == "logged-viewer"]


def test_a_stream_key_is_named(installation: Installation, cast: Cast) -> None:
    before = len(entries(installation, cast.plaza))
    with watching(installation, cast.key) as socket:
        frame(socket)
    entry = _new(installation, cast, before)
    assert (entry["who"], entry["via"]) == ("stream key “test”", "stream key")


def test_a_session_is_named(installation: Installation, cast: Cast) -> None:
    before = len(entries(installation, cast.plaza))
    headers = {"Cookie": f"sideline_session={cast['viewer'].session}"}
    with watching(installation, cast.plaza, headers=headers, origin=installation.url) as socket:
        frame(socket)
    entry = _new(installation, cast, before)
    assert (entry["who"], entry["via"]) == ("logged-viewer", "session")


def test_a_ticket_is_called_after_who_asked_for_it(installation: Installation, cast: Cast) -> None:
    before = len(entries(installation, cast.plaza))
    answer = httpx.post(
        f"{installation.url}/api/v1/tickets",
        json={"camera": cast.plaza, "purpose": "watch"},
        headers=cast["viewer"].bearer,
        timeout=30,
    )
    assert answer.status_code == 201, answer.text
    with watching(installation, cast.plaza, query=f"?ticket={answer.json()['ticket']}") as socket:
        frame(socket)
    entry = _new(installation, cast, before)
    assert (entry["who"], entry["via"]) == ("logged-viewer", "ticket of a token “Sign-in”")


def test_a_view_that_is_withdrawn_ends_in_the_log_as_well(
    installation: Installation, cast: Cast
) -> None:
    mine = assemble(installation, "view-withdrawn")
    with watching(installation, mine.key) as socket:
        frame(socket)
        before = len(entries(installation, mine.plaza))
        revoked = httpx.delete(
            f"{installation.url}/api/v1/stream-keys/{mine.key_id}",
            headers=mine["operator"].bearer,
            timeout=30,
        )
        assert revoked.status_code == 204
        assert ended(socket, 30) == 4401
    assert _new(installation, mine, before)["who"] == "stream key “test”"


def test_mjpeg_is_a_view(installation: Installation, cast: Cast) -> None:
    before = len(entries(installation, cast.plaza, "watch as MJPEG"))
    address = f"{installation.url}/api/v1/cameras/{cast.plaza}/stream.mjpeg"
    with httpx.stream("GET", address, headers=cast["viewer"].bearer, timeout=30) as stream:
        next(stream.iter_bytes())
        rows = open_views(installation, cast.plaza)
        (row,) = [r for r in rows if (r["who"], r["action"]) == ("logged-viewer", "watch as MJPEG")]
        assert row["camera_id"] == uuid.UUID(cast.plaza)
    entry = _new(installation, cast, before, "watch as MJPEG")
    assert entry["who"] == "logged-viewer"
    assert entry["ended_at"] >= entry["started_at"]


def test_publishing_is_on_record(installation: Installation, cast: Cast) -> None:
    with publishing(installation, cast.push, headers=cast["operator"].bearer):
        until(lambda: open_views(installation, cast.push), 30)
    (entry,) = until(lambda: entries(installation, cast.push, "publish"), 30)
    assert entry["who"] == "logged-operator"


def test_a_snapshot_is_an_entry_before_it_is_given_out(
    installation: Installation, cast: Cast
) -> None:
    address = f"{installation.url}/api/v1/cameras/{cast.plaza}/snapshot.jpg"
    bearer = cast["viewer"].bearer
    seen = until(lambda: _well(httpx.head(address, headers=bearer, timeout=30)), 30, "a picture")
    assert seen.content == b""
    assert int(seen.headers["Content-Length"]) > 1000

    def mine() -> list[dict[str, Any]]:
        rows = entries(installation, cast.plaza, "take snapshot")
        return [row for row in rows if row["who"] == "logged-viewer"]

    assert mine() == [], "nobody saw it"
    until(lambda: _well(httpx.get(address, headers=bearer, timeout=30)), 30, "a picture")
    assert len(mine()) == 1


def _well(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 200 else None


def test_who_is_refused_has_no_view(installation: Installation, cast: Cast) -> None:
    before = len(entries(installation, cast.plaza))
    with watching(installation, cast.plaza, headers=cast["outsider"].bearer) as socket:
        assert ended(socket, 30) == 4404
    with watching(installation, cast.key) as socket:  # so that whatever there was is written
        frame(socket)
    assert _new(installation, cast, before)["who"] == "stream key “test”"


@pytest.mark.extended
@pytest.mark.postgres
def test_a_stop_writes_what_is_open(folder: os.PathLike[str]) -> None:
    with installed(folder) as own:  # type: ignore[arg-type]
        server = own.serve()
        cast = assemble(own, "stopped")
        with watching(own, cast.key) as socket:
            frame(socket, 30)
            snapshot = f"{own.url}/api/v1/cameras/{cast.plaza}/snapshot.jpg"
            with httpx.Client(headers=cast["viewer"].bearer, timeout=30) as viewer:
                for _ in range(3):
                    until(lambda: _well(viewer.get(snapshot)), 60, "a picture")
            over = datetime.now(UTC)
            server.terminate()
            server.wait(30)
        assert len(entries(own, cast.plaza, "take snapshot")) == 2, "the first, and a count"
        (entry,) = entries(own, cast.plaza)
        assert over < entry["ended_at"] < datetime.now(UTC)
        assert open_views(own, cast.plaza) == []
        assert "Traceback" not in own.logged()


def _age(own: Installation, seconds: int) -> None:
    """Let the signs of life of all open views be so old, as if so long had passed."""
    if own.environment.get("DATABASE_URL"):
        shift = f"seen_at - interval '{seconds} seconds'"
    else:
        shift = f"strftime('%Y-%m-%d %H:%M:%f', seen_at, '-{seconds} seconds')"
    ask(own, f"UPDATE audit_viewing SET seen_at = {shift}")


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, redis: RedisServer
) -> Iterator[tuple[Installation, Installation]]:
    """Two web processes, which share a database and Redis, and one that reads cameras."""
    with installed(tmp_path_factory.mktemp("first"), REDIS_URL=redis.url) as first:
        first.serve()
        first.spawn("ingest")
        with beside(first) as second:
            yield first, second


@pytest.mark.extended
@pytest.mark.postgres
def test_views_of_a_killed_process_are_closed_by_another_once(
    two: tuple[Installation, Installation],
) -> None:
    first, second = two
    cast = assemble(first, "killed")
    with watching(second, cast.key) as there, watching(first, cast.key) as here:
        frame(there, 30)
        frame(here, 30)
        rows = {row["process"]: row for row in open_views(first, cast.plaza)}
        assert len(rows) == 2
        (theirs,) = [name for name in rows if f"/{second.processes[0].pid}/" in name]
        os.killpg(second.processes[0].pid, signal.SIGKILL)
        second.processes[0].wait()
        _age(first, 60)  # ours gives another sign of life before it looks
        (entry,) = until(lambda: entries(first, cast.plaza), 60, "the dead process's view")
        assert entry["started_at"] == rows[theirs]["started_at"]
        assert entry["ended_at"] >= entry["started_at"]
        frame(here)
        (row,) = open_views(first, cast.plaza)
        assert f"/{first.processes[0].pid}/" in row["process"]
    until(lambda: len(entries(first, cast.plaza)) >= 2, 30)
    with watching(first, cast.key) as last:
        frame(last, 30)
    until(lambda: entries(first, cast.plaza)[-1]["started_at"] > row["started_at"], 30)
    assert len(entries(first, cast.plaza)) == 3


@pytest.mark.django_db
@pytest.mark.postgres
def test_views_of_a_silent_process_are_closed_once_at_its_last_sign_of_life(club: Any) -> None:
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
