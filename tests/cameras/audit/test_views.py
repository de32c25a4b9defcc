"""Every view of a camera is on record: from its first frame, to its end, whatever ends it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.cameras.audit.reading import ask, entries, open_views
from tests.installation import Installation, beside, installed
from tests.people import Cast, assemble
from tests.publishers import publishing
from tests.redis import RedisServer
from tests.sockets import ended, frame, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(house: Installation) -> Cast:
    return assemble(house, "logged")


def _new(house: Installation, cast: Cast, before: int, action: str = "watch") -> dict[str, object]:
    found = until(lambda: entries(house, cast.plaza, action)[before:], 5, "an entry")
    assert len(found) == 1
    return found[0]


def test_a_view_is_on_record_from_its_first_frame_to_its_end(
    house: Installation, cast: Cast
) -> None:
    before = len(entries(house, cast.plaza))
    began = datetime.now(UTC)
    with watching(house, cast.plaza, headers=cast["viewer"].bearer) as socket:
        frame(socket)
        (row,) = [r for r in open_views(house, cast.plaza) if r["who"] == "logged-viewer"]
        assert len(entries(house, cast.plaza)) == before, "it has not ended"
        until(lambda: datetime.now(UTC) - began > timedelta(seconds=1.5), 5)
        over = datetime.now(UTC)
    entry = _new(house, cast, before)
    assert entry["who"] == "logged-viewer"
    assert entry["via"] == "token “Sign-in”"
    assert entry["address"] == "127.0.0.1"
    assert entry["subject"] == "Plaza"
    assert entry["started_at"] == row["started_at"]
    assert abs(entry["started_at"] - began) < timedelta(seconds=1)
    assert abs(entry["ended_at"] - over) < timedelta(seconds=1)
    assert entry["at"] == entry["ended_at"]
    assert not [r for r in open_views(house, cast.plaza) if r["who"] == "logged-viewer"]


def test_a_stream_key_is_named(house: Installation, cast: Cast) -> None:
    before = len(entries(house, cast.plaza))
    with watching(house, cast.key) as socket:
        frame(socket)
    entry = _new(house, cast, before)
    assert (entry["who"], entry["via"]) == ("stream key “test”", "stream key")


def test_a_session_is_named(house: Installation, cast: Cast) -> None:
    before = len(entries(house, cast.plaza))
    headers = {"Cookie": f"sideline_session={cast['viewer'].session}"}
    with watching(house, cast.plaza, headers=headers, origin=house.url) as socket:
        frame(socket)
    entry = _new(house, cast, before)
    assert (entry["who"], entry["via"]) == ("logged-viewer", "session")


def test_a_ticket_is_called_after_who_asked_for_it(house: Installation, cast: Cast) -> None:
    before = len(entries(house, cast.plaza))
    answer = httpx.post(
        f"{house.url}/api/v1/tickets",
        json={"camera": cast.plaza, "purpose": "watch"},
        headers=cast["viewer"].bearer,
    )
    assert answer.status_code == 201, answer.text
    with watching(house, cast.plaza, query=f"?ticket={answer.json()['ticket']}") as socket:
        frame(socket)
    entry = _new(house, cast, before)
    assert (entry["who"], entry["via"]) == ("logged-viewer", "ticket of a token “Sign-in”")


def test_a_view_that_is_withdrawn_ends_in_the_log_as_well(house: Installation, cast: Cast) -> None:
    mine = assemble(house, "view-withdrawn")
    with watching(house, mine.key) as socket:
        frame(socket)
        before = len(entries(house, mine.plaza))
        revoked = httpx.delete(
            f"{house.url}/api/v1/stream-keys/{mine.key_id}", headers=mine["operator"].bearer
        )
        assert revoked.status_code == 204
        assert ended(socket, 5) == 4401
    assert _new(house, mine, before)["who"] == "stream key “test”"


def test_mjpeg_is_a_view(house: Installation, cast: Cast) -> None:
    before = len(entries(house, cast.plaza, "watch as MJPEG"))
    address = f"{house.url}/api/v1/cameras/{cast.plaza}/stream.mjpeg"
    with httpx.stream("GET", address, headers=cast["viewer"].bearer) as stream:
        next(stream.iter_bytes())
        (row,) = [r for r in open_views(house, cast.plaza) if r["action"] == "watch as MJPEG"]
        assert row["who"] == "logged-viewer"
    entry = _new(house, cast, before, "watch as MJPEG")
    assert entry["ended_at"] >= entry["started_at"]


def test_publishing_is_on_record(house: Installation, cast: Cast) -> None:
    with publishing(house, cast.push, headers=cast["operator"].bearer):
        until(lambda: open_views(house, cast.push), 5)
    (entry,) = until(lambda: entries(house, cast.push, "publish"), 5)
    assert entry["who"] == "logged-operator"


def test_a_snapshot_is_an_entry_before_it_is_given_out(house: Installation, cast: Cast) -> None:
    address = f"{house.url}/api/v1/cameras/{cast.plaza}/snapshot.jpg"
    bearer = cast["viewer"].bearer
    seen = until(lambda: _well(httpx.head(address, headers=bearer)), 10, "a picture")
    assert seen.content == b""
    assert int(seen.headers["Content-Length"]) > 1000
    assert entries(house, cast.plaza, "take snapshot") == [], "nobody saw it"
    until(lambda: _well(httpx.get(address, headers=bearer)), 10, "a picture")
    (found,) = entries(house, cast.plaza, "take snapshot")
    assert found["who"] == "logged-viewer"


def _well(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 200 else None


def test_who_is_refused_has_no_view(house: Installation, cast: Cast) -> None:
    before = len(entries(house, cast.plaza))
    with watching(house, cast.plaza, headers=cast["outsider"].bearer) as socket:
        assert ended(socket, 5) == 4404
    with watching(house, cast.key) as socket:  # so that whatever there was is written
        frame(socket)
    assert _new(house, cast, before)["who"] == "stream key “test”"


def test_a_stop_writes_what_is_open(folder: os.PathLike[str]) -> None:
    with installed(folder) as own:  # type: ignore[arg-type]
        server = own.serve()
        cast = assemble(own, "stopped")
        with watching(own, cast.key) as socket:
            frame(socket, 20)
            snapshot = f"{own.url}/api/v1/cameras/{cast.plaza}/snapshot.jpg"
            for _ in range(3):
                assert httpx.get(snapshot, headers=cast["viewer"].bearer).status_code == 200
            server.terminate()
            over = datetime.now(UTC)
            server.wait(8)
        assert len(entries(own, cast.plaza, "take snapshot")) == 2, "the first, and a count"
        (entry,) = entries(own, cast.plaza)
        assert abs(entry["ended_at"] - over) < timedelta(seconds=1.5)
        assert open_views(own, cast.plaza) == []
        assert "Traceback" not in own.logged()


def _age(own: Installation, seconds: int) -> None:
    """Let the signs of life of all open views be so old, as if so long had passed."""
    if own.environment.get("DATABASE_URL"):
        shift = f"seen_at - interval '{seconds} seconds'"
    else:
        shift = f"strftime('%Y-%m-%d %H:%M:%f', seen_at, '-{seconds} seconds')"
    ask(own, f"UPDATE cameras_viewing SET seen_at = {shift}")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Installation]]:
    """Two web processes, which share a database and Redis, and one that reads cameras."""
    folder = tmp_path_factory.mktemp("two")
    with (
        RedisServer(folder) as redis,
        installed(tmp_path_factory.mktemp("first"), REDIS_URL=redis.url) as first,
    ):
        first.serve()
        first.spawn("ingest")
        with beside(first) as second:
            yield first, second


def test_views_of_a_killed_process_are_closed_by_another_once(
    two: tuple[Installation, Installation],
) -> None:
    first, second = two
    cast = assemble(first, "killed")
    with watching(second, cast.key) as there, watching(first, cast.key) as here:
        frame(there, 20)
        frame(here, 20)
        rows = {row["process"]: row for row in open_views(first, cast.plaza)}
        assert len(rows) == 2
        (theirs,) = [name for name in rows if f"/{second.processes[0].pid}/" in name]
        os.killpg(second.processes[0].pid, signal.SIGKILL)
        second.processes[0].wait()
        _age(first, 60)  # ours gives another sign of life before it looks
        (entry,) = until(lambda: entries(first, cast.plaza), 15, "the dead process's view")
        assert entry["started_at"] == rows[theirs]["started_at"]
        assert entry["ended_at"] >= entry["started_at"]
        frame(here)
        (row,) = open_views(first, cast.plaza)
        assert f"/{first.processes[0].pid}/" in row["process"]
    assert len(until(lambda: len(entries(first, cast.plaza)) == 2 and [1], 5)) == 1
    again = time.monotonic()
    until(lambda: time.monotonic() - again > 1, 3)
    assert len(entries(first, cast.plaza)) == 2
