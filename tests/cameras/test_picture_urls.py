"""Pictures by a URL alone: a stream key in place of the camera id, and Basic."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

import cv2
import httpx
import pytest

from tests.cameras.picture_outputs import create_token
from tests.installation import Installation
from tests.people import Scenario, basic, create_scenario
from tests.project.audit.reading import view_of
from tests.sockets import pixels
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    made = create_scenario(installation, "urls")
    until(lambda: installation.state(made.plaza) == "live", 60, "a camera that is live")
    return made


def picture_url(installation: Installation, name: str, file: str = "snapshot.jpg") -> str:
    return f"{installation.url}/api/v1/cameras/{name}/{file}"


def test_key_in_place_of_the_id_is_enough_for_an_image_tag(
    installation: Installation, scenario: Scenario
) -> None:
    answer = httpx.get(picture_url(installation, scenario.key), timeout=30)
    assert answer.status_code == 200
    assert pixels(answer.content).shape == (432, 768, 3)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    by_id = httpx.get(
        picture_url(installation, scenario.plaza), headers=scenario["viewer"].bearer, timeout=30
    )
    assert by_id.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert by_id.headers["Referrer-Policy"] == "same-origin"


def test_snapshot_has_the_requested_width(installation: Installation, scenario: Scenario) -> None:
    url = picture_url(installation, scenario.key)
    found = until(lambda: _ok(httpx.get(f"{url}?width=320", timeout=30)), 60, "a small snapshot")
    assert pixels(found.content).shape[1] == 320
    for file in ("snapshot.jpg", "stream.mjpeg"):
        wrong = httpx.get(f"{picture_url(installation, scenario.key, file)}?width=500", timeout=30)
        assert wrong.status_code == 400
        assert wrong.json()["errors"] == {"width": [wrong.json()["detail"]]}
        assert "320 or 640" in wrong.json()["detail"]


def _ok(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 200 else None


def curl(*words: str) -> str:
    """Return what curl prints: the head, and the start of the body."""
    command = ["curl", "-sS", "-i", "--max-time", "30", *words]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode("latin-1")


def test_curl_watches_with_basic(installation: Installation, scenario: Scenario) -> None:
    snapshot = picture_url(installation, scenario.plaza)
    assert curl("-u", f"any:{scenario.key}", snapshot).startswith("HTTP/1.1 200 ")
    # `--anyauth` asks first, and sends the password only if it is asked for one.
    assert "HTTP/1.1 200 " in curl("--anyauth", "-u", f"any:{scenario.key}", snapshot)


def test_head_of_the_stream_ends_at_once(installation: Installation, scenario: Scenario) -> None:
    url = picture_url(installation, scenario.key, "stream.mjpeg")
    head = curl("-I", url).lower()
    assert head.startswith("http/1.1 200 ")
    assert "content-type: multipart/x-mixed-replace; boundary=sideline" in head
    assert "content-length" not in head
    assert curl("-I", url.replace(scenario.key, scenario.plaza)).startswith("HTTP/1.1 401 ")


@pytest.mark.parametrize("way", ["key", "basic"])
def test_opencv_plays_the_stream(installation: Installation, scenario: Scenario, way: str) -> None:
    url = picture_url(installation, scenario.key, "stream.mjpeg")
    if way == "basic":
        url = picture_url(installation, scenario.plaza, "stream.mjpeg")
        url = url.replace("http://", f"http://player:{scenario.key}@")
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 60_000])
    try:
        shapes = [capture.read()[1].shape for _ in range(3)]
    finally:
        capture.release()
    assert shapes == [(432, 768, 3)] * 3


def test_views_by_a_url_are_in_the_view_log(installation: Installation, scenario: Scenario) -> None:
    with installation.api() as api:
        body = {"camera": scenario.plaza, "name": "By a URL"}
        key = api.post("/stream-keys", json=body).json()["key"]

    def openings() -> int:  # the second one is written with the next heartbeat
        who = "stream key “By a URL”"
        view = view_of(installation, scenario.plaza, who, "watch as MJPEG")
        return int(view.get("openings", 0))

    with _stream(installation, key), _stream(installation, scenario.plaza, basic(key)):
        until(lambda: openings() >= 2, 60, "two openings of one view")


@contextlib.contextmanager
def _stream(
    installation: Installation, name: str, headers: dict[str, str] | None = None
) -> Iterator[Iterator[bytes]]:
    url = picture_url(installation, name, "stream.mjpeg")
    with httpx.stream("GET", url, headers=headers, timeout=60) as response:
        assert response.status_code == 200
        chunks = response.iter_raw()
        next(chunks)
        yield chunks  # kept: httpx hangs up when it is collected


def test_stream_ends_when_the_key_is_revoked(
    installation: Installation, scenario: Scenario
) -> None:
    """Also that of a token over Basic. `tests/gate/test_withdrawal.py` tests the delay."""
    body = {"camera": scenario.plaza, "name": "To be revoked"}
    bearer, revoke_token = create_token(installation, scenario["viewer"])
    with installation.api() as api:
        made = api.post("/stream-keys", json=body).json()

        def revoke_key() -> None:
            assert api.delete(f"/stream-keys/{made['id']}").status_code == 204

        ways: list[tuple[str, dict[str, str] | None, Any]] = [
            (made["key"], None, revoke_key),
            (scenario.plaza, basic(bearer["Authorization"].split()[1]), revoke_token),
        ]
        for name, headers, revoke in ways:
            url = picture_url(installation, name, "stream.mjpeg")
            with httpx.stream("GET", url, headers=headers, timeout=60) as stream:
                chunks = stream.iter_raw()
                next(chunks)
                revoke()
                for _ in chunks:  # the request's time-out ends a stream that does not end
                    pass
            assert httpx.get(url, headers=headers, timeout=30).status_code == 401
