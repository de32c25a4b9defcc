"""Cameras that send a picture, or a keyframe, only now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from cameras.ingest.sources.probe import test_connection as probe
from cameras.ingest.worker.capture import WAITING, WAITING_FOR_KEYFRAME
from tests.cameras.ingest.worker.captured import captured, pictures, state
from tests.clips import make_clip, unlikeness
from tests.rtsp import PACKET_BYTES, RTSPCamera, rtsp_camera
from tests.servers import rtsp_server
from tests.waiting import until


def between_keyframes(camera: RTSPCamera, folder: Path, seconds: float) -> None:
    """Let the camera begin after a keyframe; the next one comes after so many seconds."""
    clip = make_clip(folder / "clip.ts", keyframes=1000, count=60).read_bytes()
    start = len(clip) // 2 // PACKET_BYTES * PACKET_BYTES
    camera.video = clip[start:] + clip[:start]
    camera.pace = seconds / ((len(clip) - start) / PACKET_BYTES)


def test_camera_between_two_keyframes_is_waited_for(tmp_path: Path) -> None:
    with rtsp_camera() as server:
        between_keyframes(server, tmp_path, 3.0)
        with captured("rtsp", server.url) as camera:
            until(lambda: camera.health().reason == WAITING)
            until(lambda: camera.health().reason == WAITING_FOR_KEYFRAME)
            assert state(camera) == "connecting"
            image = pictures(camera, 1)[0].pixels()
            assert image is not None
            assert unlikeness(image) < 8
            until(lambda: state(camera) == "live")
            assert server.connections == 1


def test_connection_test_says_that_it_waits_for_a_keyframe(tmp_path: Path) -> None:
    with rtsp_camera() as server:
        between_keyframes(server, tmp_path, 30.0)
        outcome = probe("rtsp", server.url, media_root=tmp_path, allow_loopback=True, timeout=6.0)
        assert outcome.ok
        assert outcome.sentence in (WAITING, WAITING_FOR_KEYFRAME)


@pytest.mark.extended
def test_rtsp_camera_with_a_picture_every_five_seconds_stays_live(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "slow.mp4", every=5, keyframes=1, count=8)
    with rtsp_server(clip) as server, captured("rtsp", server.url) as camera:
        pictures(camera, 3)
        states = set()
        newest = camera.slot.newest()
        while camera.slot.newest(newest, timeout=0.1) is None:
            states.add(state(camera))
        assert states == {"live"}
        health = camera.health()
        assert (health.attempt, health.interval) == (0, pytest.approx(5, abs=0.5))
