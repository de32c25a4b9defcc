"""Capture from real cameras: pictures, losses and reconnections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from cameras.ingest.worker.reconnect import ReconnectingCapture, backoff
from cameras.ingest.worker.watchdog import STUCK_AFTER, Watchdog
from tests.cameras.ingest.worker.captured import captured, losses, people, pictures, state
from tests.servers import HTTPCamera, RTSPServer, ffmpeg, http_camera, rtsp_server
from tests.waiting import until


def kill_and_reconnect(server: RTSPServer, camera: ReconnectingCapture, seconds: float) -> None:
    server.kill()
    until(lambda: camera.health().attempt > 0)
    server.start()
    until(lambda: state(camera) == "live", seconds)


def end_and_reconnect(server: HTTPCamera, camera: ReconnectingCapture, seconds: float) -> None:
    healths = losses(camera)
    server.ending = True
    until(lambda: healths)
    server.ending = False
    until(lambda: state(camera) == "live", seconds)
    assert healths[0].state == "stale"
    assert healths[0].reason == "The camera ended the stream; connecting again."


def freeze_and_thaw(server: HTTPCamera, camera: ReconnectingCapture, seconds: float) -> None:
    before = len(server.requests)
    server.frozen = True
    health = until(lambda: (now := camera.health()).state == "stale" and now)
    assert health.fps == 0
    server.frozen = False
    until(lambda: state(camera) == "live", seconds)
    assert len(server.requests) == before, "on the same connection"


def test_rtsp_camera_shows_people_and_recovers_from_freeze_and_kill() -> None:
    with rtsp_server() as server, captured("rtsp", server.url) as camera:
        frames = pictures(camera, 12)
        assert people(frames[-1]) >= 3
        assert (frames[-1].width, frames[-1].height) == (768, 432)
        assert all(a.timestamp < b.timestamp for a, b in pairwise(frames))
        health = until(lambda: (now := camera.health()).state == "live" and now)
        assert (health.reason, health.attempt) == ("", 0)

        server.freeze()
        health = until(lambda: (now := camera.health()).state == "stale" and now)
        assert health.since == health.last_frame
        assert "No picture for a while" in health.reason

        kill_and_reconnect(server, camera, 60)
        assert people(pictures(camera, 1)[0]) >= 3


@pytest.mark.timing
def test_frozen_rtsp_camera_is_stale_after_three_seconds_and_reconnects_soon() -> None:
    with rtsp_server() as server, captured("rtsp", server.url) as camera:
        pictures(camera, 12)
        server.freeze()
        frozen = time.monotonic()
        until(lambda: state(camera) == "stale", 4.5)
        assert 2.5 < time.monotonic() - frozen < 3.6
        kill_and_reconnect(server, camera, 12)


@pytest.mark.soak
def test_frozen_rtsp_server_is_disconnected_after_ten_seconds_and_reconnected() -> None:
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


def test_mjpeg_camera_shows_people_and_recovers_from_its_end() -> None:
    with http_camera() as server, captured("http", server.url) as camera:
        assert people(pictures(camera, 10)[-1]) >= 3
        end_and_reconnect(server, camera, 60)


@pytest.mark.timing
@pytest.mark.parametrize("path", ["/cam", "/live.ts"])
def test_frame_rate_is_measured(path: str) -> None:
    with http_camera() as server, captured("http", server.base + path) as camera:
        until(lambda: 8 < camera.health().fps < 12, 8)


def test_live_hls_shows_people() -> None:
    with http_camera() as server, captured("http", server.base + "/live.m3u8") as camera:
        frames = pictures(
            camera, 45
        )  # beyond two segment boundaries, to segments that did not exist at first
        assert people(frames[-1]) >= 3
        assert all(a.timestamp < b.timestamp for a, b in pairwise(frames))
        server.ending = True


@pytest.mark.timing
def test_live_hls_plays_in_real_time() -> None:
    with http_camera() as server, captured("http", server.base + "/live.m3u8") as camera:
        frames = pictures(camera, 45)
        assert frames[-1].timestamp - frames[0].timestamp == pytest.approx(4400, abs=500)
        assert max(b.timestamp - a.timestamp for a, b in pairwise(frames)) < 700
        assert camera.health().state == "live"
        server.ending = True


@contextmanager
def recording(folder: Path) -> Iterator[ReconnectingCapture]:
    """Two seconds of MP4 over HTTP. Its index is at the end, so FFmpeg requests ranges."""
    clip = folder / "clip.mp4"
    ffmpeg("-c", "copy", "-t", "2", clip)
    with http_camera() as server:
        server.pages["/clip.mp4"] = ("video/mp4", clip.read_bytes())
        with captured("http", server.base + "/clip.mp4") as camera:
            yield camera


def test_mp4_over_http_plays_and_ends_as_a_loss(tmp_path: Path) -> None:
    with recording(tmp_path) as camera:
        healths = losses(camera)
        assert people(pictures(camera, 5)[-1]) >= 3
        until(lambda: healths)
        assert healths[0].state == "stale"
        assert healths[0].reason == "The camera ended the recording; connecting again."


@pytest.mark.timing
def test_mp4_over_http_plays_in_real_time(tmp_path: Path) -> None:
    with recording(tmp_path) as camera:
        frames = pictures(camera, 20)
        assert frames[-1].timestamp - frames[0].timestamp == pytest.approx(1900, abs=150)


def test_mpeg_ts_over_http_plays() -> None:
    with http_camera() as server, captured("http", server.base + "/live.ts") as camera:
        assert people(pictures(camera, 5)[-1]) >= 3


def test_frozen_mjpeg_camera_goes_stale_and_live_on_the_same_connection() -> None:
    with http_camera() as server, captured("http", server.url) as camera:
        pictures(camera, 3)
        freeze_and_thaw(server, camera, 60)


@pytest.mark.timing
def test_mjpeg_camera_is_live_soon_after_a_freeze_and_after_its_end() -> None:
    with http_camera() as server, captured("http", server.url) as camera:
        pictures(camera, 3)
        freeze_and_thaw(server, camera, 2)
        end_and_reconnect(server, camera, 6)


def test_camera_that_does_not_open_is_offline_with_a_reason() -> None:
    with captured("rtsp", "rtsp://u:hunter2@nowhere.invalid/x") as camera:
        assert state(camera) in ("connecting", "offline")
        until(lambda: state(camera) == "offline")
        health = camera.health()
        assert "nowhere.invalid does not resolve" in health.reason
        assert "hunter2" not in health.reason
        assert health.last_frame is None


def test_rtsps_camera_without_tls_is_offline_with_a_reason() -> None:
    with http_camera() as plain:
        with captured("rtsp", f"rtsps://u:hunter2@127.0.0.1:{plain.port}/x") as camera:
            until(lambda: state(camera) == "offline")
            reason = camera.health().reason
        assert f"TLS on port {plain.port}" in reason
        assert "hunter2" not in reason


def test_slow_reader_gets_the_newest_picture() -> None:
    with http_camera(fps=25) as server, captured("http", server.url) as camera:
        first = pictures(camera, 1)[0]
        passed = until(lambda: (at := camera.health().last_frame or 0) > first.timestamp and at)
        until(lambda: (camera.health().last_frame or 0) > passed)
        newest = camera.slot.newest(first)
        assert newest is not None
        assert newest.timestamp >= passed


@pytest.mark.timing
def test_picture_for_a_slow_reader_is_fresh() -> None:
    with http_camera(fps=25) as server, captured("http", server.url) as camera:
        first = pictures(camera, 1)[0]
        until(lambda: (camera.health().last_frame or 0) > first.timestamp + 1000)
        newest = camera.slot.newest(first)
        assert newest is not None
        assert time.time() * 1000 - newest.timestamp < 150


def test_hanging_native_call_is_reported() -> None:
    ended: list[int] = []
    watchdog = Watchdog(lambda: ended.append(1))
    watchdog.expect("It hangs.", 60)
    watchdog.look()
    assert (watchdog.reason, watchdog.stuck(), ended) == ("", None, [])
    watchdog.expect("It hangs.", -0.1)
    watchdog.look()
    watchdog.look()
    assert (watchdog.reason, watchdog.stuck(), ended) == ("It hangs.", None, [1])
    watchdog.expect("It hangs.", -STUCK_AFTER)
    assert watchdog.stuck() == "It hangs.", "hanging up did not help"
    watchdog.rest()
    assert watchdog.stuck() is None


def test_wait_is_prolonged_once_where_there_is_a_reason() -> None:
    ended: list[int] = []
    watchdog = Watchdog(lambda: ended.append(1))
    watchdog.expect("Late.", -0.1, longer=lambda: 60)
    watchdog.look()
    watchdog.look()
    assert not ended
    watchdog.expect("Late.", -1.0, longer=lambda: 0.05)
    watchdog.look()
    watchdog.look()
    assert ended == [1]


def test_backoff_doubles_up_to_30_seconds() -> None:
    for attempt, seconds in enumerate((1, 2, 4, 8, 16, 30, 30, 30), start=1):
        assert seconds * 0.8 <= backoff(attempt) <= seconds * 1.2
    assert backoff(10_000) <= 36
