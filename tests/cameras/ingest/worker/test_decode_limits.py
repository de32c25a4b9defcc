"""Malicious pictures: too large, too slow to decode, truncated, or with a false header."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from cameras.ingest.sources.probe import test_connection as probe_source
from cameras.ingest.worker import decoding
from cameras.ingest.worker.decoding import LIMIT_S, OVERDUE
from cameras.ingest.worker.picture import Picture
from cameras.live.jpeg import FrameError, jpeg_size
from tests.cameras.ingest.worker.captured import captured, pictures
from tests.cameras.ingest.worker.driven import WorkerDriver, is_frame, worker
from tests.clips import make_clip
from tests.servers import plaza_jpegs
from tests.waiting import until

PROGRESSIVE = [
    cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 2,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
SCAN = b"\xff\xda"


def progressive(width: int, height: int) -> bytes:
    grey = np.full((height, width, 3), 90, np.uint8)
    return cv2.imencode(".jpg", grey, PROGRESSIVE)[1].tobytes()


def with_scans(jpeg: bytes, number: int) -> bytes:
    """Repeat its sixth scan, which refines the whole picture, up to `number` scans."""
    places = [at for at in range(len(jpeg)) if jpeg.startswith(SCAN, at)]
    scan = jpeg[places[5] : places[6]]
    return jpeg[: places[6]] + scan * (number - 6) + b"\xff\xd9"


def field(jpeg: bytes) -> str:
    with pytest.raises(FrameError) as refused:
        jpeg_size(jpeg)
    assert refused.value.field == "frame"
    return refused.value.sentence


def test_jpeg_with_too_many_scans_is_refused_before_decoding() -> None:
    small = progressive(160, 120)
    assert jpeg_size(small) == (160, 120)
    assert jpeg_size(with_scans(small, 64)) == (160, 120)
    assert "more scans than any camera" in field(with_scans(small, 65))


def test_large_jpeg_may_have_fewer_scans() -> None:
    large = resized(progressive(160, 120), 5500, 7200)
    assert jpeg_size(with_scans(large, 10)) == (7200, 5500)
    assert "its size" in field(with_scans(large, 11))


@pytest.mark.timing
def test_slowest_accepted_jpeg_is_decoded_within_the_limit() -> None:
    worst = with_scans(progressive(7200, 5500), 10)
    assert jpeg_size(worst) == (7200, 5500)
    before = time.thread_time()
    assert Picture(1, 7200, 5500, jpeg=worst).pixels() is not None
    assert time.thread_time() - before < LIMIT_S


@contextmanager
def overwhelmed() -> Iterator[WorkerDriver]:
    """A worker that has just been sent a picture which takes a minute to decode."""
    slow = (  # like a decompression bomb that the header does not reveal
        "-c",
        "import sys, time\n"
        "from cameras.ingest.worker import decoding, main, picture\n"
        "decoding.LIMIT_S = 0.5\n"
        "picture.cv2.imdecode = lambda *facts: time.sleep(60)\n"
        "main.main(int(sys.argv[1]))\n",
    )
    with worker(command=slow, kind="push", detect=True) as driver:
        driver.first(lambda h: h["type"] == "state")
        driver.send({"type": "push", "timestamp": 1_000}, plaza_jpegs()[0])
        yield driver


def test_slow_decode_ends_the_worker() -> None:
    with overwhelmed() as driver:
        states = [header for header, _ in driver.packets(60) if header["type"] == "state"]
        assert states[-1]["reason"] == OVERDUE
        assert driver.process.wait(30) == 75


@pytest.mark.timing
def test_slow_decode_ends_the_worker_at_once() -> None:
    with overwhelmed() as driver:
        sent = time.monotonic()
        assert driver.process.wait(10) == 75
        assert time.monotonic() - sent < 3


def resized(jpeg: bytes, height: int, width: int) -> bytes:
    """Return the JPEG with another size in its header."""
    changed = bytearray(jpeg)
    frame = next(at for at in range(len(jpeg)) if jpeg[at : at + 2] in (b"\xff\xc0", b"\xff\xc2"))
    struct.pack_into(">HH", changed, frame + 5, height, width)
    return bytes(changed)


def sized(width: int, height: int) -> bytes:
    """Return a JPEG of 64 × 64 pixels whose header announces another size."""
    return resized(
        cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes(), height, width
    )


def test_jpeg_size_is_read_from_the_header_alone() -> None:
    assert "40 megapixels" in field(sized(16_000, 16_000))
    assert "16,384" in field(sized(16_385, 100))
    assert "no size" in field(sized(0, 100))
    twice = sized(640, 360)
    at = twice.find(b"\xff\xc0")
    header = sized(65_000, 65_000)[at : at + 19]
    assert "more than one frame header" in field(twice[:at] + header + twice[at:])


def test_truncated_jpeg_is_refused_and_one_with_a_false_end_is_harmless() -> None:
    whole = plaza_jpegs()[0]
    assert "truncated" in field(whole[:-300])
    false_end = whole[: len(whole) // 2] + b"\xff\xd9"
    image = Picture(1, *jpeg_size(false_end), jpeg=false_end).pixels()
    assert image is None or image.shape == (432, 768, 3)


def test_only_the_first_picture_of_a_file_is_decoded() -> None:
    two = plaza_jpegs()[0] + plaza_jpegs()[1]
    image = Picture(1, *jpeg_size(two), jpeg=two).pixels()
    first = Picture(1, 768, 432, jpeg=plaza_jpegs()[0]).pixels()
    assert image is not None
    assert first is not None
    assert np.array_equal(image, first)


@pytest.fixture(scope="module")
def vast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A media folder with a video of 8,000 × 6,000 pixels."""
    folder = tmp_path_factory.mktemp("media")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=gray:s=8000x6000:r=1",
         "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "31", str(folder / "vast.avi")],
        check=True, timeout=60,
    )  # fmt: skip
    return folder


def test_video_with_too_large_pictures_is_not_shown(vast: Path) -> None:
    with captured("file", "vast.avi", vast) as capture:
        until(lambda: capture.health().reason.startswith("The camera's pictures are"))
        assert "8000×6000" in capture.health().reason
        assert capture.slot.newest() is None
    answer = probe_source("file", "vast.avi", media_root=vast, allow_loopback=True, timeout=60)
    assert not answer.ok
    assert "40 megapixels" in answer.sentence


def test_stream_whose_pictures_become_too_large_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The size is checked at every picture, because it may change within a stream."""
    small = make_clip(tmp_path / "small.ts", "mpeg2video", size=(64, 48), rate=25, count=10)
    large = make_clip(tmp_path / "large.ts", "mpeg2video", size=(320, 240), rate=25, count=10)
    (tmp_path / "grows.ts").write_bytes(small.read_bytes() + large.read_bytes())
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100 * 100)
    with captured("file", "grows.ts", tmp_path) as growing:
        assert pictures(growing, 1)[0].width == 64
        until(lambda: "320×240" in growing.health().reason, what="the refusal")
        newest = growing.slot.newest()
        assert newest is not None
        assert newest.width == 64


def test_memory_of_a_worker_is_limited() -> None:
    with worker() as driver:
        driver.first(lambda h: h["type"] == "state")
        limits = Path(f"/proc/{driver.process.pid}/limits").read_text()
        line = next(line for line in limits.splitlines() if line.startswith("Max address space"))
        assert str(4 * 1024**3) in line
        driver.send({"type": "demand", "rates": [(0, 0)]})
        driver.first(is_frame)
