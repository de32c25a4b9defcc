"""“Test connection”: a sentence in time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cameras.ingest.probe import Probe, test_connection
from tests.servers import PLAZA, free_port, http_camera, silent_server


def ask(kind: str, source: str, **options: Any) -> Probe:
    given: dict[str, Any] = {"media_root": Path("."), "allow_loopback": True} | options
    return test_connection(kind, source, **given)


def test_a_camera_that_works_is_told_with_its_size() -> None:
    with http_camera() as camera:
        camera.pages["/clip.mp4"] = ("video/mp4", PLAZA.read_bytes())
        for path in ("/cam", "/live.m3u8", "/clip.mp4", "/live.ts"):
            outcome = ask("http", camera.base + path)
            assert outcome == Probe(True, "Connected: 768×432.", 768, 432), path
    assert ask("demo", "").ok


def test_a_camera_that_does_not_work_is_told_with_the_reason() -> None:
    port = free_port()
    assert ask("rtsp", f"rtsp://127.0.0.1:{port}/") == Probe(
        False, f"127.0.0.1 refused the connection on port {port}."
    )
    assert "closed" in ask("rtsp", f"rtsp://127.0.0.1:{port}/", allow_loopback=False).sentence


def test_a_silent_camera_takes_no_longer_than_the_time_out() -> None:
    with silent_server() as port:
        for kind in ("rtsp", "http"):
            began = time.monotonic()
            outcome = ask(kind, f"{kind}://127.0.0.1:{port}/", timeout=2.0)
            assert time.monotonic() - began < 2.5
            assert outcome == Probe(False, "127.0.0.1 did not answer in time.")
