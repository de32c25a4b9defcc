"""Capture from files: they loop, in real time."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from cameras.ingest.worker.capture import UNOPENED
from cameras.ingest.worker.demuxer import Demuxer
from cameras.ingest.worker.source import Source
from tests.cameras.ingest.sources.raw_server import raw_server
from tests.cameras.ingest.worker.captured import captured, people, pictures, state
from tests.cameras.ingest.worker.test_reasons import failure
from tests.clips import make_clip
from tests.servers import segments
from tests.waiting import until


def clip(path: Path, frames: int, fps: float) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 20 * number % 255, np.uint8))
    writer.release()


def test_file_starts_again_at_its_end(tmp_path: Path) -> None:
    clip(tmp_path / "short.mp4", 5, 20)
    with captured("file", "short.mp4", tmp_path) as camera:
        frames = pictures(camera, 12)
        assert all(a.timestamp < b.timestamp for a, b in pairwise(frames))
        assert state(camera) == "live"


@pytest.mark.timing
def test_file_loops_in_real_time_without_a_gap(tmp_path: Path) -> None:
    clip(tmp_path / "short.mp4", 5, 20)
    with captured("file", "short.mp4", tmp_path) as camera:
        frames = pictures(camera, 40)  # eight passes
    gaps = [b.timestamp - a.timestamp for a, b in pairwise(frames)]
    assert sum(gaps) == pytest.approx(39 * 50, abs=60)  # no drift
    assert max(gaps) < 110
    assert sorted(gaps)[20] == pytest.approx(50, abs=5)


def test_demo_camera_plays() -> None:
    with captured("demo") as camera:
        assert people(pictures(camera, 3)[-1]) >= 3


@pytest.mark.timing
def test_rate_limits_pictures_but_every_frame_is_counted(tmp_path: Path) -> None:
    clip(tmp_path / "fast.mp4", 60, 30)
    with captured("file", "fast.mp4", tmp_path, rate=10) as camera:
        frames = pictures(camera, 15)
        assert frames[-1].timestamp - frames[0].timestamp == pytest.approx(1400, abs=150)
        assert camera.health().fps > 25


def test_without_a_rate_frames_are_counted_but_not_converted(tmp_path: Path) -> None:
    clip(tmp_path / "fast.mp4", 60, 30)
    with captured("file", "fast.mp4", tmp_path) as camera:
        pictures(camera, 3)
        camera.rate = 0

        def pass_by(count: int) -> None:
            before = camera.health().captured
            until(lambda: camera.health().captured >= before + count)

        pass_by(2)  # one may still be in conversion
        last = camera.slot.newest()
        assert last is not None
        pass_by(10)
        assert camera.slot.newest() is last


def test_file_that_is_no_video_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("hello")
    (tmp_path / "b.m3u8").write_text("#EXTM3U\n#EXTINF:5,\n/etc/hostname\n")
    for name in ("a.mp4", "b.m3u8"):
        with captured("file", name, tmp_path) as camera:
            until(lambda: state(camera) == "offline")
            assert "not a video" in camera.health().reason


def test_time_that_a_frame_takes_to_be_decoded_counts_in_its_age(tmp_path: Path) -> None:
    large = make_clip(tmp_path / "large.mp4", size=(3840, 2160), count=6)
    with closing(Demuxer("file", str(large))) as demuxer:
        ages = [time.monotonic() - frame.arrival for frame in demuxer.frames() if frame]
    assert len(ages) == 6
    assert min(ages) > 0.003  # writing the 12 MB of such a frame takes longer


def test_file_of_a_camera_leads_nowhere(tmp_path: Path) -> None:
    """A file camera reads no format that names addresses or other files."""
    (tmp_path / "0.ts").write_bytes(segments()[0])
    with raw_server(b"", repeats=True) as trap:
        address = f"tcp://127.0.0.1:{trap.port}/a.ts"
        head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n"
        contents = {
            "list.m3u8": f"{head}{address}\n#EXT-X-ENDLIST\n",
            "list.mp4": f"{head}0.ts\n#EXT-X-ENDLIST\n",
            "list.ffconcat": f"ffconcat version 1.0\nfile '{address}'\nfile 0.ts\n",
            "stream.sdp": f"v=0\nm=video {trap.port} RTP/AVP 33\nc=IN IP4 127.0.0.1\n",
            "list.mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
            '<AdaptationSet mimeType="video/mp4"><Representation id="1"><BaseURL>'
            f"{address}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        }
        for name, content in contents.items():
            (tmp_path / name).write_text(content)
            with pytest.raises(UNOPENED):
                Demuxer("file", str(tmp_path / name))
            assert failure(Source("file", name, tmp_path)) == (
                "The file is not a video that can be read."
            ), name
        assert trap.connections == 0
