"""Snapshots, MJPEG and the admin's thumbnails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from unittest.mock import AsyncMock, Mock

import httpx
import pytest

from cameras.api import pictures
from cameras.live.variants import Variant
from cameras.models import Camera
from project.audit.view_log import ServerIsStopping
from tests.cameras.picture_outputs import check_mjpeg_ends_when_revoked
from tests.cameras.temporary_camera import temporary_camera
from tests.installation import KEEPER, Installation, submit
from tests.people import Scenario, create_scenario
from tests.push_messages import send_body
from tests.servers import http_camera
from tests.sockets import next_frame, pixels, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "pictures")


def test_snapshot_has_the_newest_frame(installation: Installation, scenario: Scenario) -> None:
    url = f"{installation.url}/api/v1/cameras/{scenario.plaza}/snapshot.jpg"
    with watching(installation, scenario.plaza, headers=scenario["viewer"].bearer) as socket:
        shown = [next_frame(socket, 30)["timestamp"] for _ in range(5)][-1]
        answer = until(lambda: _good(url, scenario), 30, "a snapshot")
    assert pixels(answer.content).shape == (432, 768, 3)
    stamp = int(answer.headers["X-Timestamp"])
    assert stamp >= shown
    taken = parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
    assert abs(taken - stamp / 1000) <= 1
    assert answer.headers["Cache-Control"] == "private, no-store"


def _good(url: str, scenario: Scenario) -> httpx.Response | None:
    answer = httpx.get(url, headers=scenario["viewer"].bearer, timeout=30)
    return answer if answer.status_code == 200 else None


@pytest.mark.extended
def test_snapshot_of_a_slow_camera_is_its_newest_picture_and_tells_its_age(
    installation: Installation,
) -> None:
    with (
        installation.api() as api,
        http_camera(fps=0.3) as server,
        temporary_camera(installation, name="Slow", kind="http", source=server.url) as camera,
    ):

        def rate() -> float:
            return float(api.get(f"/cameras/{camera}").json()["state"]["fps"])

        until(lambda: 0 < rate() < 0.5, 60, "its rate")
        ages = []
        for width in ("", "?width=320", "?width=640"):  # each is a picture that nobody watches yet
            answer = api.get(f"/cameras/{camera}/snapshot.jpg{width}")
            assert answer.status_code == 200, answer.text
            ages.append(int(answer.headers["X-Age-Ms"]))
        assert max(ages) < 7000


@pytest.fixture
def dead(installation: Installation) -> Iterator[str]:
    """An unreachable camera in the state “offline”."""
    with temporary_camera(
        installation, name="Dead", kind="rtsp", source="rtsp://127.0.0.1:9/x"
    ) as camera:
        until(lambda: installation.state(camera) == "offline", 60, "offline")
        yield camera


def test_camera_without_a_picture_answers_503_with_the_reason(
    installation: Installation, scenario: Scenario, dead: str
) -> None:
    url = f"{installation.url}/api/v1/cameras/{dead}/snapshot.jpg"
    answer = httpx.get(url, headers=scenario["viewer"].bearer, timeout=30)
    assert answer.status_code == 503
    assert "refused" in answer.json()["detail"]
    assert answer.json()["state"] == "offline"
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.timing
def test_snapshot_is_fresh_and_its_absence_is_answered_soon(
    installation: Installation, scenario: Scenario, dead: str
) -> None:
    url = f"{installation.url}/api/v1/cameras/{{}}/snapshot.jpg"
    answer = until(lambda: _good(url.format(scenario.plaza), scenario), 15, "a snapshot")
    taken = parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
    assert abs(time.time() - taken) < 4
    asked = time.monotonic()
    assert httpx.get(url.format(dead), headers=scenario["viewer"].bearer).status_code == 503
    assert time.monotonic() - asked < 3


def test_mjpeg_stream_ends_when_access_is_withdrawn(
    installation: Installation, scenario: Scenario
) -> None:
    """`tests/gate/test_withdrawal.py` tests the delay."""
    check_mjpeg_ends_when_revoked(installation, scenario)


async def test_failed_view_is_closed_in_the_view_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view, view_log, ended = Mock(), Mock(begin=AsyncMock()), []
    view_log.end = ended.append
    monkeypatch.setattr(pictures.services, "view_log", lambda: view_log)
    monkeypatch.setattr(pictures.services, "hub", Mock(side_effect=RuntimeError("no hub")))
    parts = pictures._parts(Camera(), Mock(), view, Variant(), None)
    with pytest.raises(RuntimeError, match="no hub"):
        await anext(parts)
    assert ended == [view]


def test_stream_that_begins_while_the_server_stops_is_refused_without_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = pictures._not_recorded(ServerIsStopping())
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert pictures.STOPPING in answer.content.decode()
    assert caplog.records == []


def test_thumbnail_is_for_staff_only(installation: Installation, scenario: Scenario) -> None:
    url = f"{installation.url}/admin/cameras/camera/{scenario.plaza}/thumbnail.jpg"
    assert httpx.get(url).status_code == 403
    session = {"sideline_session": scenario["admin"].session}
    assert httpx.get(url, cookies=session).status_code == 403
    with httpx.Client(base_url=installation.url, follow_redirects=True, timeout=30) as staff:
        submit(staff, staff.get("/signin"), KEEPER)
        until(lambda: installation.state(scenario.plaza) == "live", 60, "a picture")
        seen = staff.get(f"/admin/cameras/camera/{scenario.plaza}/thumbnail.jpg")
        assert seen.status_code == 200
        assert pixels(seen.content).shape == (432, 768, 3)
        assert seen.headers["Cache-Control"] == "private, no-store"


def test_picture_of_a_device_with_a_slow_clock_is_fresh(
    installation: Installation, scenario: Scenario
) -> None:
    """Its age counts from its arrival; the device's own time stays in `X-Timestamp`."""
    url = f"{installation.url}/api/v1/cameras/{scenario.push}/snapshot.jpg"
    stop = threading.Event()

    def push() -> None:
        while not stop.wait(0.1):
            late = send_body(scenario.push, timestamp=int(time.time() * 1000) - 20_000)
            send = f"{installation.url}/api/v1/actions/actions/send"
            httpx.post(send, json=late, headers=scenario["operator"].bearer, timeout=30)

    pusher = threading.Thread(target=push, daemon=True)
    pusher.start()
    try:
        answer = until(lambda: _good(url, scenario), 60, "a snapshot")
    finally:
        stop.set()
        pusher.join()
    assert time.time() * 1000 - int(answer.headers["X-Timestamp"]) > 15_000
