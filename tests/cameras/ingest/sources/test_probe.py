"""The connection test: a sentence within its timeout."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cameras.ingest.sources.address_rules import own_addresses
from cameras.ingest.sources.probe import Probe, test_connection
from tests.clips import unlikeness
from tests.rtsp import rtsp_camera
from tests.servers import PLAZA, free_port, http_camera, silent_server


def probe(kind: str, source: str, **options: Any) -> Probe:
    arguments: dict[str, Any] = {"media_root": Path("."), "allow_loopback": True, "timeout": 60}
    arguments |= options
    return test_connection(kind, source, **arguments)


def test_working_camera_is_reported_with_its_size() -> None:
    with http_camera() as camera:
        camera.pages["/clip.mp4"] = ("video/mp4", PLAZA.read_bytes())
        for path in ("/cam", "/live.m3u8", "/clip.mp4", "/live.ts"):
            outcome = probe("http", camera.base + path)
            assert outcome == Probe(True, "Connected: 768×432.", 768, 432, outcome.jpeg), path
            picture = cv2.imdecode(np.frombuffer(outcome.jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert picture is not None
            assert picture.shape == (360, 640, 3)
            assert unlikeness(np.asarray(picture, np.uint8)) < 8, path
    assert probe("demo", "").ok


def test_failing_camera_is_reported_with_the_reason() -> None:
    port = free_port()
    outcome = probe("rtsp", f"rtsp://127.0.0.1:{port}/")
    assert not outcome.ok
    assert f"refused the connection on port {port}" in outcome.sentence
    assert "closed" in probe("rtsp", f"rtsp://127.0.0.1:{port}/", allow_loopback=False).sentence


@pytest.mark.timing
def test_silent_camera_takes_no_longer_than_the_timeout() -> None:
    with silent_server() as port:
        for kind in ("rtsp", "http"):
            began = time.monotonic()
            outcome = probe(kind, f"{kind}://127.0.0.1:{port}/", timeout=2.0)
            assert time.monotonic() - began < 2.5
            assert not outcome.ok
            assert "did not answer" in outcome.sentence


def listed(*servers: Any) -> dict[str, Any]:
    """Options that allow only these servers of this machine."""
    places = (f"{server.server_address[0]}:{server.port}" for server in servers)
    return {"allow_loopback": False, "listed": frozenset(places)}


def test_only_the_listed_port_is_allowed() -> None:
    with rtsp_camera() as camera, http_camera() as page, rtsp_camera() as other:
        assert probe("rtsp", camera.url, **listed(camera, page)).ok
        assert probe("http", page.url, **listed(camera, page)).ok
        for kind in ("rtsp", "http"):
            for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "localhost"):
                source = f"{kind}://{host}:{other.port}/cam"
                outcome = probe(kind, source, **listed(camera, page))
                assert not outcome.ok
                assert "closed" in outcome.sentence
                assert "in SIDELINE_CAMERA_SERVERS." in outcome.sentence
        assert other.connections == 0


def test_redirect_to_a_forbidden_address_is_not_followed() -> None:
    with rtsp_camera() as camera, http_camera() as page, rtsp_camera() as other:
        camera.responses["DESCRIBE"] = (
            f"RTSP/1.0 302 x\r\nCSeq: {{cseq}}\r\nLocation: {other.url}\r\n\r\n".encode()
        )
        assert f"127.0.0.1:{other.port}" in probe("rtsp", camera.url, **listed(camera)).sentence
        page.location = f"http://127.0.0.1:{other.port}/cam"
        sentence = probe("http", page.base + "/redirect", **listed(page)).sentence
        assert sentence.startswith("The camera leads on to 127.0.0.1, an address that is closed.")
        assert other.connections == 0


def test_own_network_address_is_forbidden_unless_listed() -> None:
    own = [str(ip) for ip in own_addresses() if ip.version == 4 and not ip.is_loopback]
    if not own:
        pytest.skip("this machine has no address but loopback")
    with rtsp_camera(own[0]) as camera:
        outcome = probe("rtsp", camera.url, allow_loopback=False)
        assert f"list {own[0]}:{camera.port} in SIDELINE_CAMERA_SERVERS" in outcome.sentence
        assert camera.connections == 0
        assert probe("rtsp", camera.url, **listed(camera)).ok
        assert probe("rtsp", camera.url, allow_loopback=True).ok
