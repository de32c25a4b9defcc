"""The seed document's own client, unchanged, in Node and in a page of another origin."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django import Settings

from tests.browser import Tab, new_page
from tests.cameras.temporary_camera import temporary_camera
from tests.installation import Installation, installed
from tests.people import Scenario, create_scenario
from tests.project.configured import settings_of
from tests.seed.programs import Site, another_site, node_client
from tests.sockets import pixels
from tests.waiting import until

# A camera with detected persons.
PERSONS: dict[str, object] = {"name": "Seed persons", "kind": "demo", "classes": ["person"]}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with another_site() as serving:
        yield serving


@pytest.fixture(scope="module")
def club(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that trusts the other site under the host name localhost only."""
    folder = tmp_path_factory.mktemp("club")
    with installed(folder, SIDELINE_TRUSTED_ORIGINS=site.origin("localhost")) as installation:
        installation.serve()
        yield installation


@pytest.fixture(scope="module")
def scenario(club: Installation) -> Scenario:
    return create_scenario(club, "seed")


@pytest.fixture(scope="module")
def shared_scenario(installation: Installation) -> Scenario:
    """Users of the shared installation, for clients without a page."""
    return create_scenario(installation, "seed")


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    with new_page(browser) as opened:
        yield opened


def stream_key(club: Installation, camera: str) -> tuple[str, str]:
    """Create a stream key over the API; return the key and its id."""
    with club.api() as api:
        answer = api.post("/stream-keys", json={"camera": camera, "name": "A seed client"})
        assert answer.status_code == 201, answer.text
        return answer.json()["key"], answer.json()["id"]


def is_frame_data(frame: dict[str, Any], camera: str) -> bool:
    """Assert that a frame is the seed's `FrameData`; return True if it has a person."""
    assert set(frame) <= {"frame", "timestamp", "camera_id", "run", "detections"}
    assert frame["camera_id"] == camera
    assert type(frame["timestamp"]) is int
    height, width, _ = pixels(frame["frame"]).shape
    assert (width, height) == (768, 432)
    for found in frame.get("detections", []):
        assert isinstance(found["class"], str)
        assert found["class"]
        assert 0 <= found["confidence"] <= 1
        x, y, w, h = found["bbox"]
        assert x >= 0
        assert y >= 0
        assert w > 0
        assert h > 0
        assert x + w <= width + 0.1
        assert y + h <= height + 0.1
    return any(found["class"] == "person" for found in frame.get("detections", []))


def test_seed_client_can_watch_with_only_a_stream_key(installation: Installation) -> None:
    """Without a token, the seed's client sends `Authorization: Bearer undefined`."""
    with temporary_camera(installation, **PERSONS) as camera:
        key, key_id = stream_key(installation, camera)
        with node_client(installation, key) as client:
            began = time.time() * 1000
            until(
                lambda: any(is_frame_data(frame, key) for frame in list(client.frames)),
                60,
                "a person in a frame",
            )
            until(lambda: len(client.of("sent")) >= 20, 60, "twenty frames sent back")
            assert client.of("streaming")[0]["streaming"] is True
            times = [frame["timestamp"] for frame in client.frames]
            assert times == sorted(set(times))
            assert began - 60_000 < times[0] <= times[-1] <= time.time() * 1000
            for sent in client.of("sent"):
                assert sent["status"] == 202, sent
                assert sent["body"] == {"accepted": True, "duplicate": True}
                assert sent["camera_id"] == key

            with installation.api() as api:
                assert api.delete(f"/stream-keys/{key_id}").status_code == 204
            until(lambda: client.of("close"), 60, "the socket of a revoked key to close")
            assert client.of("close")[0]["code"] == 4401
            assert client.of("streaming")[-1]["streaming"] is False
            assert not client.of("toast")
            last = client.frames[-1]

        with node_client(installation, key) as late_client:
            until(
                lambda: late_client.of("close"),
                60,
                "the handshake with a revoked key to be refused",
            )
            assert "403" in late_client.of("error")[0]["message"]
            assert not late_client.frames
    body = {"streamName": "webcam", "streamType": "frame", **last}
    body["timestamp"] = int(time.time() * 1000)
    body.pop("detections", None)
    answer = httpx.post(f"{installation.url}/api/v1/actions/actions/send", json=body)
    assert answer.status_code == 401, answer.text


def test_seed_client_can_forward_frames_with_a_bearer_token(
    installation: Installation, shared_scenario: Scenario
) -> None:
    with node_client(installation, shared_scenario.key, shared_scenario["viewer"].token) as client:
        until(lambda: len(client.of("sent")) >= 3, 60, "frames sent back")
    for sent in client.of("sent"):
        assert (sent["status"], sent["body"]) == (202, {"accepted": True, "duplicate": True})


def page_state(page: Page) -> dict[str, Any]:
    state: dict[str, Any] = page.evaluate("window.seen")
    return state


@pytest.mark.extended
def test_page_of_a_trusted_origin_can_draw_boxes_and_send_frames_back(
    club: Installation, scenario: Scenario, site: Site, tab: Tab
) -> None:
    page = tab.page
    with temporary_camera(club, **PERSONS) as camera:
        key, _ = stream_key(club, camera)
        page.goto(site.page(club, key, token=scenario["viewer"].token))
        page.wait_for_function("window.seen.found > 0", timeout=60_000)
        page.wait_for_function("window.look().green > 100", timeout=60_000)
        page.wait_for_function("window.seen.sent.length >= 5", timeout=60_000)
        canvas = page.evaluate("window.look()")
        assert (canvas["width"], canvas["height"]) == (768, 432)
        assert canvas["different"] > 10_000, "a blank canvas"
        assert page_state(page)["streaming"] is True
        assert page_state(page)["failed"] == 0
        assert page_state(page)["toasts"] == []
        for status, body in page_state(page)["sent"]:
            assert (status, body) == (202, {"accepted": True, "duplicate": True})
        assert tab.errors == []

        page.goto(site.page(club, key, token=scenario["viewer"].token, boxes="no"))
        page.wait_for_function("window.seen.found > 0", timeout=60_000)
        page.wait_for_function("window.look().different > 10000", timeout=60_000)
        assert page.evaluate("window.look().green") == 0, "the page, not the server, draws boxes"


@pytest.mark.extended
def test_page_of_a_trusted_origin_needs_only_a_stream_key(
    club: Installation, scenario: Scenario, site: Site, tab: Tab
) -> None:
    """Its token is an empty string."""
    tab.page.goto(site.page(club, scenario.key, token=""))
    tab.page.wait_for_function("window.seen.sent.length >= 3", timeout=60_000)
    for status, body in page_state(tab.page)["sent"]:
        assert (status, body) == (202, {"accepted": True, "duplicate": True})


def test_preflight_needs_no_credential_and_lists_allowed_headers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    origin = "http://localhost:3000"
    configured = settings_of(folder, monkeypatch, SIDELINE_TRUSTED_ORIGINS=origin)
    settings.CORS_ALLOWED_ORIGINS = configured["CORS_ALLOWED_ORIGINS"]
    settings.STATIC_ROOT = folder  # otherwise WhiteNoise warns
    wanted = ("authorization", "content-type", "idempotency-key", "last-event-id")
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(wanted),
    }
    answer = Client().options("/api/v1/actions/actions/send", headers=headers)
    assert answer.status_code == 200
    assert answer["access-control-allow-origin"] == origin
    assert all(name in answer["access-control-allow-headers"] for name in wanted)
    assert not answer.has_header("access-control-allow-credentials")
    stranger = headers | {"Origin": "http://localhost:3001"}
    answer = Client().options("/api/v1/actions/actions/send", headers=stranger)
    assert not answer.has_header("access-control-allow-origin")


@pytest.mark.extended
def test_page_of_an_unknown_origin_cannot_send_frames(
    club: Installation, scenario: Scenario, site: Site, tab: Tab
) -> None:
    """The stream key opens the socket from any origin; CORS denies the page the API."""
    tab.page.goto(site.page(club, scenario.key, host="127.0.0.1", token=scenario["viewer"].token))
    tab.page.wait_for_function("window.seen.failed >= 2", timeout=60_000)
    assert page_state(tab.page)["frames"] > 0
    assert page_state(tab.page)["sent"] == []
    assert any("CORS" in error for error in tab.errors)


@pytest.mark.extended
def test_session_cookie_opens_no_socket_to_a_page_of_an_unknown_origin(
    club: Installation, scenario: Scenario, site: Site, tab: Tab
) -> None:
    """Another port of the same host is the same site, so the browser does send the cookie."""
    cookie = {"name": "sideline_session", "value": scenario["viewer"].session, "url": club.url}
    tab.context.add_cookies([cookie])  # type: ignore[list-item]
    tab.page.goto(site.page(club, scenario.plaza, host="127.0.0.1"))
    tab.page.wait_for_function("window.seen.streaming === false", timeout=60_000)
    assert page_state(tab.page)["frames"] == 0
    assert page_state(tab.page)["toasts"] == ["Stream connection error"]
    assert any("403" in error for error in tab.errors)

    # The same cookie does open one from Sideline's own page.
    tab.page.goto(f"{club.url}/")
    first = """(camera) => new Promise((resolve, reject) => {
        const ws = new WebSocket(`ws://${location.host}/ws/stream/${camera}`);
        ws.onmessage = (event) => { ws.close(); resolve(JSON.parse(event.data).camera_id); };
        ws.onerror = () => reject(new Error("refused"));
    })"""
    assert tab.page.evaluate(first, scenario.plaza) == scenario.plaza
