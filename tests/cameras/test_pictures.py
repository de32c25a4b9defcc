"""Snapshots, MJPEG and the admin's thumbnails."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import httpx
import pytest

from cameras.api import pictures
from cameras.live.variants import Variant
from cameras.models import Camera
from tests.installation import KEEPER, Installation, installed, submit
from tests.parcels import parcel
from tests.people import Cast, assemble
from tests.sockets import pixels
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(house: Installation) -> Cast:
    return assemble(house, "pictures")


def test_snapshot_is_the_newest_frame(house: Installation, cast: Cast) -> None:
    url = f"{house.url}/api/v1/cameras/{cast.plaza}/snapshot.jpg"
    answer = until(lambda: _good(url, cast), 15, "a snapshot")
    assert pixels(answer.content).shape == (432, 768, 3)
    taken = parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
    assert abs(time.time() - taken) < 4
    assert answer.headers["Cache-Control"] == "private, no-cache"


def _good(url: str, cast: Cast) -> httpx.Response | None:
    answer = httpx.get(url, headers=cast["viewer"].bearer)
    return answer if answer.status_code == 200 else None


def test_camera_without_a_picture_answers_503_with_the_reason(
    house: Installation, cast: Cast
) -> None:
    camera = house.add_camera(name="Dead", kind="rtsp", source="rtsp://127.0.0.1:9/x")
    url = f"{house.url}/api/v1/cameras/{camera}/snapshot.jpg"
    until(lambda: house.state(camera) == "offline", 15, "offline")
    asked = time.monotonic()
    answer = httpx.get(url, headers=cast["viewer"].bearer)
    assert time.monotonic() - asked < 3
    assert answer.status_code == 503
    assert "refused" in answer.json()["detail"]
    assert answer.json()["state"] == "offline"
    with house.api() as api:
        api.delete(f"/cameras/{camera}")


def test_mjpeg_goes_on_and_ends_when_access_is_withdrawn(house: Installation) -> None:
    plays_until_withdrawn(house)


def test_so_does_the_first_stream_of_a_process(folder: Path) -> None:
    """What re-examines it must outlive the request by which it was started."""
    with installed(folder) as own:
        own.serve()
        plays_until_withdrawn(own)


def plays_until_withdrawn(house: Installation) -> None:
    cast = assemble(house, "mjpeg")
    url = f"{house.url}/api/v1/cameras/{cast.plaza}/stream.mjpeg"
    parts, revoked = 0, 0.0
    with httpx.stream("GET", url, headers=cast["viewer"].bearer, timeout=10) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=sideline"
        for chunk in answer.iter_raw():
            parts += chunk.count(b"\r\n--sideline\r\n")
            if parts >= 5 and not revoked:
                revoke = "Token.objects.filter(user__username='mjpeg-viewer').delete()"
                house.manage("shell", "-v0", "-c", f"from cameras.models import *; {revoke}")
                revoked = time.monotonic()
            assert not revoked or time.monotonic() - revoked < 5, "it goes on"
    assert revoked
    assert time.monotonic() - revoked < 2.5


@pytest.mark.one_database
async def test_view_that_fails_before_its_first_picture_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logbook, ended = Mock(begin=AsyncMock(return_value="view")), []
    logbook.end = ended.append
    monkeypatch.setattr(pictures.process, "logbook", lambda: logbook)
    monkeypatch.setattr(pictures.process, "hub", Mock(side_effect=RuntimeError("no hub")))
    parts = pictures._parts(Camera(), Mock(), Mock(), Variant(), None)
    with pytest.raises(RuntimeError, match="no hub"):
        await anext(parts)
    assert ended == ["view"]


def test_thumbnail_is_for_staff_only(house: Installation, cast: Cast) -> None:
    url = f"{house.url}/admin/cameras/camera/{cast.plaza}/thumbnail.jpg"
    assert httpx.get(url).status_code == 403
    session = {"sideline_session": cast["admin"].session}
    assert httpx.get(url, cookies=session).status_code == 403
    with httpx.Client(base_url=house.url, follow_redirects=True) as staff:
        submit(staff, staff.get("/signin"), KEEPER)
        seen = staff.get(f"/admin/cameras/camera/{cast.plaza}/thumbnail.jpg")
        assert seen.status_code == 200
        assert pixels(seen.content).shape == (432, 768, 3)


def test_picture_of_a_device_whose_clock_is_slow_is_fresh(house: Installation, cast: Cast) -> None:
    """Its age counts from its arrival; the device's own time stays in `X-Timestamp`."""
    url = f"{house.url}/api/v1/cameras/{cast.push}/snapshot.jpg"
    stop = threading.Event()

    def push() -> None:
        while not stop.wait(0.1):
            late = parcel(cast.push, timestamp=int(time.time() * 1000) - 20_000)
            send = f"{house.url}/api/v1/actions/actions/send"
            httpx.post(send, json=late, headers=cast["operator"].bearer)

    pusher = threading.Thread(target=push, daemon=True)
    pusher.start()
    try:
        answer = until(lambda: _good(url, cast), 15, "a snapshot")
    finally:
        stop.set()
        pusher.join()
    assert time.time() * 1000 - int(answer.headers["X-Timestamp"]) > 15_000
