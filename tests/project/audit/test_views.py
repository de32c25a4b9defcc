"""Every view of a camera is recorded, from its first frame to its end, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.installation import Installation, installed, second_server
from tests.people import Scenario, create_scenario
from tests.project.audit.reading import age_views, entries, open_views, view_of
from tests.publishers import publishing
from tests.push_messages import send_body
from tests.redis import RedisServer
from tests.sockets import close_code, next_frame, refusal, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "logged")


def _ended(
    installation: Installation, camera: str, who: str, watched: datetime, action: str = "watch"
) -> dict[str, Any]:
    """Return a view whose end is stored: it was seen after `watched`."""

    def ended() -> dict[str, Any] | None:
        row = view_of(installation, camera, who, action)
        return row if row and row["seen_at"] > watched else None

    return until(ended, 30, "the end of the view")


def test_view_is_recorded_from_first_frame_to_end(
    installation: Installation, scenario: Scenario
) -> None:
    began = datetime.now(UTC)
    with watching(installation, scenario.plaza, headers=scenario["viewer"].bearer) as socket:
        next_frame(socket, 30)
        row = view_of(installation, scenario.plaza, "logged-viewer")
        assert row, "before the first frame"
        watched = datetime.now(UTC)
    view = _ended(installation, scenario.plaza, "logged-viewer", watched)
    assert view["via"] == "token “Sign-in”"
    assert view["address"] == "127.0.0.1"
    assert view["subject"] == "Plaza"
    assert view["openings"] == 1
    assert view["started_at"] == row["started_at"]
    assert began < view["started_at"] < watched < view["seen_at"] < datetime.now(UTC)


def test_reconnecting_viewer_is_one_row(installation: Installation, scenario: Scenario) -> None:
    for _ in range(14):
        with watching(installation, scenario.plaza, headers=scenario["operator"].bearer) as socket:
            next_frame(socket, 30)
    counted = until(
        lambda: view_of(installation, scenario.plaza, "logged-operator")["openings"] == 14, 30
    )
    assert counted


def test_view_is_an_entry_a_minute_after_its_end(installation: Installation) -> None:
    mine = create_scenario(installation, "past")
    with watching(installation, mine.plaza, headers=mine["viewer"].bearer) as socket:
        next_frame(socket, 30)
        watched = datetime.now(UTC)
    _ended(installation, mine.plaza, "past-viewer", watched)
    age_views(installation, 61, "past-viewer")

    def mine_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if row["who"] == "past-viewer"]

    (entry,) = until(lambda: mine_of(entries(installation, mine.plaza)), 30, "an entry")
    assert entry["openings"] == 1
    assert entry["at"] == entry["ended_at"] >= entry["started_at"]
    assert not mine_of(open_views(installation, mine.plaza))


def test_stream_key_is_named(installation: Installation, scenario: Scenario) -> None:
    with watching(installation, scenario.key) as socket:
        next_frame(socket)
        rows = open_views(installation, scenario.plaza)
    assert ("stream key “test”", "stream key") in {(row["who"], row["via"]) for row in rows}


def test_session_is_named(installation: Installation, scenario: Scenario) -> None:
    headers = {"Cookie": f"sideline_session={scenario['admin'].session}"}
    with watching(installation, scenario.plaza, headers=headers, origin=installation.url) as socket:
        next_frame(socket)
        view = view_of(installation, scenario.plaza, "logged-admin")
    assert view["via"] == "session"


def test_ticket_is_named_after_the_credential_that_requested_it(
    installation: Installation, scenario: Scenario
) -> None:
    for _ in range(2):  # each connection needs a new ticket, and both are one view
        answer = httpx.post(
            f"{installation.url}/api/v1/tickets",
            json={"camera": scenario.plaza, "purpose": "watch"},
            headers=scenario["reader"].bearer,
            timeout=30,
        )
        assert answer.status_code == 201, answer.text
        query = f"?ticket={answer.json()['ticket']}"
        with watching(installation, scenario.plaza, query=query) as socket:
            next_frame(socket)
            view = view_of(installation, scenario.plaza, "logged-reader")
    assert view["via"] == "ticket of a token “Sign-in”"


def test_view_ends_in_the_log_when_its_key_is_revoked(
    installation: Installation, scenario: Scenario
) -> None:
    mine = create_scenario(installation, "view-withdrawn")
    with watching(installation, mine.plaza, headers=mine["viewer"].bearer) as socket:
        next_frame(socket)
        logout = f"{installation.url}/api/v1/auth/logout"
        assert httpx.post(logout, headers=mine["viewer"].bearer, timeout=30).status_code == 204
        revoked = datetime.now(UTC)
        assert close_code(socket, 30) == 4401
        _ended(installation, mine.plaza, "view-withdrawn-viewer", revoked)


def test_mjpeg_is_logged_as_a_view(installation: Installation, scenario: Scenario) -> None:
    address = f"{installation.url}/api/v1/cameras/{scenario.plaza}/stream.mjpeg"
    with httpx.stream("GET", address, headers=scenario["viewer"].bearer, timeout=30) as stream:
        parts = stream.iter_bytes()  # kept: httpx hangs up when the iterator goes
        next(parts)
        row = view_of(installation, scenario.plaza, "logged-viewer", "watch as MJPEG")
        assert row["camera_id"] == uuid.UUID(scenario.plaza)
        watched = datetime.now(UTC)
    _ended(installation, scenario.plaza, "logged-viewer", watched, "watch as MJPEG")


def test_publishing_is_logged(installation: Installation, scenario: Scenario) -> None:
    with publishing(installation, scenario.push, headers=scenario["operator"].bearer):
        until(lambda: open_views(installation, scenario.push), 30)
    view = view_of(installation, scenario.push, "logged-operator", "publish")
    assert view["openings"] == 1


def test_frames_sent_by_http_are_logged_as_publishing(
    installation: Installation, scenario: Scenario
) -> None:
    mine = create_scenario(installation, "sending")
    for _ in range(3):
        answer = httpx.post(
            f"{installation.url}/api/v1/actions/actions/send",
            json=send_body(mine.push),
            headers=mine["operator"].bearer,
            timeout=30,
        )
        assert answer.status_code in (202, 503), answer.text
    assert view_of(installation, mine.push, "sending-operator", "publish")


def test_snapshot_is_logged_before_it_is_sent(
    installation: Installation, scenario: Scenario
) -> None:
    address = f"{installation.url}/api/v1/cameras/{scenario.plaza}/snapshot.jpg"
    bearer = scenario["viewer"].bearer
    seen = until(lambda: _if_ok(httpx.head(address, headers=bearer, timeout=30)), 30, "a picture")
    assert seen.content == b""
    assert int(seen.headers["Content-Length"]) > 1000
    mine = scenario.plaza, "logged-viewer", "take snapshot"
    assert view_of(installation, *mine) == {}, "HEAD sends no picture"
    until(lambda: _if_ok(httpx.get(address, headers=bearer, timeout=30)), 30, "a picture")
    assert view_of(installation, *mine)["openings"] == 1


def _if_ok(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 200 else None


def test_refused_viewer_has_no_view(installation: Installation, scenario: Scenario) -> None:
    with watching(installation, scenario.plaza, headers=scenario["outsider"].bearer) as socket:
        assert close_code(socket, 30) == 4404
    assert view_of(installation, scenario.plaza, "logged-outsider") == {}


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
        taken = view_of(own, scenario.plaza, "stopped-viewer", "take snapshot")
        assert taken["openings"] == 3, "those in memory are counted"
        watched = view_of(own, scenario.plaza, "stream key “test”")
        assert over < watched["seen_at"] < datetime.now(UTC)
        age_views(own, 61)
        own.serve()
        until(lambda: not open_views(own, scenario.plaza), 30, "the entries")
        (entry,) = entries(own, scenario.plaza)
        shift = watched["seen_at"] - entry["ended_at"]
        assert abs(shift - timedelta(seconds=61)) < timedelta(milliseconds=2)
        assert "Traceback" not in own.logged()


@pytest.mark.extended
@pytest.mark.postgres
def test_flood_of_one_viewer_is_one_row(folder: os.PathLike[str]) -> None:
    with installed(folder) as own:  # type: ignore[arg-type]
        own.serve()
        scenario = create_scenario(own, "flood")
        codes = Counter(asyncio.run(_open_many(own, scenario, 1200)))
        assert set(codes) <= {200, 4429}
        assert codes[200] >= 600
        view = until(
            lambda: (
                view_of(own, scenario.plaza, "flood-viewer")["openings"] == codes[200]
                and view_of(own, scenario.plaza, "flood-viewer")
            ),
            30,
        )
        assert view["via"] == "token “Sign-in”"
        assert entries(own, scenario.plaza) == []


async def _open_many(own: Installation, scenario: Scenario, count: int) -> list[int]:
    """Open sockets of one viewer, twenty at a time; return 200 or the close code of each."""
    address = f"ws://127.0.0.1:{own.port}/ws/stream/{scenario.plaza}"
    turns = asyncio.Semaphore(20)

    async def one() -> int:
        async with turns:
            socket = await connect(
                address, additional_headers=scenario["viewer"].bearer, max_size=None,
                compression=None, proxy=None, open_timeout=60,
            )  # fmt: skip
            try:
                await asyncio.wait_for(socket.recv(), 60)
                return 200
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006
            finally:
                socket.transport.abort()
                await socket.wait_closed()

    return await asyncio.gather(*(one() for _ in range(count)))


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


_USE_UP = """
import time
from django.core.cache import cache
from project.accounts.access import actor_for_token
from project.audit import opening_limits
counted = []
opening_limits.count_in_window = lambda key, most, seconds: counted.append((key, most)) or 0
credential = actor_for_token("{token}").credential
opening_limits._claim(credential, [opening_limits.CONNECTIONS], is_shared=False)
for key, most in counted:
    for window in range(30):
        cache.set(f"{{key}}-{{int(time.time() // 60) + window}}", most, 3600)
"""


@pytest.mark.extended
def test_credential_that_opened_too_much_is_refused_in_every_process(
    two: tuple[Installation, Installation],
) -> None:
    first, _ = two
    scenario = create_scenario(first, "toomuch")
    first.manage("shell", "-v0", "-c", _USE_UP.format(token=scenario["viewer"].token))
    for server in two:
        address = f"{server.url}/api/v1/cameras/{scenario.plaza}"
        headers = scenario["viewer"].bearer
        assert refusal(server, scenario.plaza, headers=headers) == 4429
        answer = httpx.get(f"{address}/stream.mjpeg", headers=headers, timeout=30)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 61
        assert answer.json()["detail"].startswith("More than 600 connections a minute")
        assert refusal(server, scenario.plaza, headers=scenario["admin"].bearer) == 200
    assert view_of(first, scenario.plaza, "toomuch-viewer") == {}


@pytest.mark.extended
@pytest.mark.postgres
def test_view_of_two_processes_ends_with_the_last_of_them(
    two: tuple[Installation, Installation],
) -> None:
    first, second = two
    scenario = create_scenario(first, "killed")
    bearer = scenario["viewer"].bearer
    with (
        watching(second, scenario.plaza, headers=bearer) as there,
        watching(second, scenario.key) as alone,
        watching(first, scenario.plaza, headers=bearer) as here,
    ):
        for socket in (there, alone, here):
            next_frame(socket, 30)
        row = until(
            lambda: (
                view_of(first, scenario.plaza, "killed-viewer")["openings"] == 2
                and view_of(first, scenario.plaza, "killed-viewer")
            ),
            30,
            "one row for both processes",
        )
        os.killpg(second.processes[0].pid, signal.SIGKILL)
        second.processes[0].wait()
        age_views(first, 61, "stream key “test”")
        (entry,) = until(lambda: entries(first, scenario.plaza), 60, "the dead process's view")
        assert entry["who"] == "stream key “test”"
        next_frame(here)
        again = view_of(first, scenario.plaza, "killed-viewer")
        assert again["id"] == row["id"]
