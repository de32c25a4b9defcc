"""Pictures from real cameras, their ends, and their returns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from cameras.ingest.worker.capture import Capture, backoff
from tests.cameras.ingest.worker.captured import captured, losses, people, pictures, state
from tests.servers import HTTPCamera, RTSPServer, ffmpeg, http_camera, rtsp_server
from tests.waiting import until


def dies_and_is_found_again(server: RTSPServer, camera: Capture, seconds: float) -> None:
    server.kill()
    until(lambda: camera.health().attempt > 0)
    server.start()
    until(lambda: state(camera) == "live", seconds)


def ends_and_is_found_again(server: HTTPCamera, camera: Capture, seconds: float) -> None:
    said = losses(camera)
    server.ending = True
    until(lambda: said)
    server.ending = False
    until(lambda: state(camera) == "live", seconds)
    assert said[0].state == "stale"
    assert said[0].reason == "The camera ended the stream; connecting again."


def freezes_and_thaws(server: HTTPCamera, camera: Capture, seconds: float) -> None:
    asked = len(server.requests)
    server.frozen = True
    health = until(lambda: (now := camera.health()).state == "stale" and now)
    assert health.fps == 0
    server.frozen = False
    until(lambda: state(camera) == "live", seconds)
    assert len(server.requests) == asked, "on the same connection"


def test_rtsp_footage_has_people_in_it_and_comes_back_after_freeze_and_death() -> None:
    with rtsp_server() as server, captured("rtsp", server.url) as camera:
        taken = pictures(camera, 12)
        assert people(taken[-1]) >= 3
        assert (taken[-1].width, taken[-1].height) == (768, 432)
        assert all(a.timestamp < b.timestamp for a, b in pairwise(taken))
        health = until(lambda: (now := camera.health()).state == "live" and now)
        assert (health.reason, health.attempt) == ("", 0)

        server.freeze()
        health = until(lambda: (now := camera.health()).state == "stale" and now)
        assert health.since == health.last_frame
        assert "No picture for a while" in health.reason

        dies_and_is_found_again(server, camera, 60)
        assert people(pictures(camera, 1)[0]) >= 3


@pytest.mark.timing
def test_an_rtsp_camera_is_stale_after_three_seconds_and_soon_found_again() -> None:
    with rtsp_server() as server, captured("rtsp", server.url) as camera:
        pictures(camera, 12)
        server.freeze()
        frozen = time.monotonic()
        until(lambda: state(camera) == "stale", 4.5)
        assert 2.5 < time.monotonic() - frozen < 3.6
        dies_and_is_found_again(server, camera, 12)


@pytest.mark.soak
def test_a_frozen_rtsp_server_is_left_after_ten_seconds_and_found_again() -> None:
    with rtsp_server() as server, captured("rtsp", server.url) as camera:
        pictures(camera, 5)
        server.freeze()
        last = camera.health().last_frame
        until(lambda: camera.health().attempt > 0, 12)
        assert camera.stuck() is None
        until(lambda: state(camera) == "offline", 3)
        assert camera.health().last_frame == last, "nothing left in the decoder was shown"
        server.thaw()
        until(lambda: state(camera) == "live", 20)


def test_mjpeg_footage_has_people_in_it_and_recovers_from_its_end() -> None:
    with http_camera() as server, captured("http", server.url) as camera:
        assert people(pictures(camera, 10)[-1]) >= 3
        ends_and_is_found_again(server, camera, 60)


@pytest.mark.timing
@pytest.mark.parametrize("path", ["/cam", "/live.ts"])
def test_the_rate_of_a_camera_is_measured(path: str) -> None:
    with http_camera() as server, captured("http", server.base + path) as camera:
        until(lambda: 8 < camera.health().fps < 12, 8)


def test_live_hls_plays_with_people_in_it() -> None:
    with http_camera() as server, captured("http", server.base + "/live.m3u8") as camera:
        taken = pictures(camera, 45)  # over two seams, to segments that did not exist at first
        assert people(taken[-1]) >= 3
        assert all(a.timestamp < b.timestamp for a, b in pairwise(taken))
        server.ending = True


@pytest.mark.timing
def test_live_hls_plays_at_its_own_pace() -> None:
    with http_camera() as server, captured("http", server.base + "/live.m3u8") as camera:
        taken = pictures(camera, 45)
        assert taken[-1].timestamp - taken[0].timestamp == pytest.approx(4400, abs=500)
        assert max(b.timestamp - a.timestamp for a, b in pairwise(taken)) < 700
        assert camera.health().state == "live"
        server.ending = True


@contextmanager
def recording(folder: Path) -> Iterator[Capture]:
    """Two seconds of MP4 over HTTP. Its index is at the end: FFmpeg asks for ranges."""
    made = folder / "clip.mp4"
    ffmpeg("-c", "copy", "-t", "2", made)
    with http_camera() as server:
        server.pages["/clip.mp4"] = ("video/mp4", made.read_bytes())
        with captured("http", server.base + "/clip.mp4") as camera:
            yield camera


def test_mp4_over_http_plays_and_its_end_is_an_end(tmp_path: Path) -> None:
    with recording(tmp_path) as camera:
        said = losses(camera)
        assert people(pictures(camera, 5)[-1]) >= 3
        until(lambda: said)
        assert said[0].state == "stale"
        assert said[0].reason == "The camera ended the recording; connecting again."


@pytest.mark.timing
def test_mp4_over_http_plays_at_its_own_pace(tmp_path: Path) -> None:
    with recording(tmp_path) as camera:
        taken = pictures(camera, 20)
        assert taken[-1].timestamp - taken[0].timestamp == pytest.approx(1900, abs=150)


def test_mpeg_ts_over_http_plays() -> None:
    with http_camera() as server, captured("http", server.base + "/live.ts") as camera:
        assert people(pictures(camera, 5)[-1]) >= 3


def test_an_mjpeg_camera_that_freezes_goes_stale_and_live_again_on_the_same_connection() -> None:
    with http_camera() as server, captured("http", server.url) as camera:
        pictures(camera, 3)
        freezes_and_thaws(server, camera, 60)


@pytest.mark.timing
def test_an_mjpeg_camera_is_live_soon_after_it_thaws_and_after_it_ended() -> None:
    with http_camera() as server, captured("http", server.url) as camera:
        pictures(camera, 3)
        freezes_and_thaws(server, camera, 2)
        ends_and_is_found_again(server, camera, 6)


def test_a_camera_that_does_not_open_is_offline_with_a_reason() -> None:
    with captured("rtsp", "rtsp://u:hunter2@nowhere.invalid/x") as camera:
        assert state(camera) in ("connecting", "offline")
        until(lambda: state(camera) == "offline")
        health = camera.health()
        assert "nowhere.invalid does not resolve" in health.reason
        assert "hunter2" not in health.reason
        assert health.last_frame is None


def test_an_rtsps_camera_that_does_not_speak_tls_is_offline_with_a_reason() -> None:
    with http_camera() as plain:
        with captured("rtsp", f"rtsps://u:hunter2@127.0.0.1:{plain.port}/x") as camera:
            until(lambda: state(camera) == "offline")
            reason = camera.health().reason
        assert f"TLS on port {plain.port}" in reason
        assert "hunter2" not in reason


def test_a_slow_reader_gets_the_newest_picture() -> None:
    with http_camera(fps=25) as server, captured("http", server.url) as camera:
        first = pictures(camera, 1)[0]
        passed = until(lambda: (at := camera.health().last_frame or 0) > first.timestamp and at)
        until(lambda: (camera.health().last_frame or 0) > passed)
        newest = camera.slot.newest(first.timestamp)
        assert newest is not None
        assert newest.timestamp >= passed


@pytest.mark.timing
def test_a_picture_that_a_slow_reader_gets_is_fresh() -> None:
    with http_camera(fps=25) as server, captured("http", server.url) as camera:
        first = pictures(camera, 1)[0]
        until(lambda: (camera.health().last_frame or 0) > first.timestamp + 1000)
        newest = camera.slot.newest(first.timestamp)
        assert newest is not None
        assert time.time() * 1000 - newest.timestamp < 150


def test_native_code_that_does_not_come_back_is_told() -> None:
    camera = Capture("demo", "", media_root=Path("."), allow_loopback=True)
    with camera._stream._native("It hangs.", 60):
        assert camera.stuck() is None
    with camera._stream._native("It hangs.", -1):
        assert camera.stuck() == "It hangs."
    assert camera.stuck() is None


def test_backing_off_doubles_to_half_a_minute() -> None:
    for attempt, seconds in enumerate((1, 2, 4, 8, 16, 30, 30, 30), start=1):
        assert seconds * 0.8 <= backoff(attempt) <= seconds * 1.2
    assert backoff(10_000) <= 36
