"""HTTP cameras that do not keep to the rules: the whole capture shows their pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest.worker import capture
from cameras.ingest.worker.capture import UNDECODABLE
from cameras.ingest.worker.reconnect import ReconnectingCapture
from tests.cameras.ingest.sources.raw_server import raw_server
from tests.cameras.ingest.worker.captured import captured, pictures, state
from tests.clips import scene, turned_jpeg, unlikeness
from tests.servers import HLS, http_camera, plaza_jpegs, segments
from tests.waiting import until

OK = b"HTTP/1.1 200 OK\r\n"


def parts(head: str, before: str = "", count: int = 4) -> bytes:
    """A multipart body: `head` comes before each picture, `before` before the first one."""
    body = before.encode()
    for jpeg in plaza_jpegs()[:count]:
        body += head.replace("LENGTH", str(len(jpeg))).encode() + jpeg + b"\r\n"
    return body


MULTIPART = b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
BODIES = {
    "boundary twice": MULTIPART + parts("--frame\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"),
    "first part without a boundary": MULTIPART
    + parts("--frame\r\nContent-Type: image/jpeg\r\n\r\n").removeprefix(b"--frame\r\n"),
    "image/jpg": MULTIPART + parts("--frame\r\nContent-Type: image/jpg\r\n\r\n"),
    "parameters": MULTIPART + parts("--frame\r\nContent-Type: image/jpeg; q=80; a=b\r\n\r\n"),
    "no type": MULTIPART + parts("--frame\r\n\r\n"),
    "wrong length": MULTIPART + parts("--frame\r\nContent-Length: 17\r\n\r\n"),
    "bare LF": MULTIPART + parts("--frame\nContent-Type: image/jpeg\n\n"),
    "another boundary": MULTIPART + parts("--other\r\nContent-Type: image/jpeg\r\n\r\n"),
    "no multipart": b"Content-Type: image/jpeg\r\n\r\n" + parts(""),
    "nothing told": b"\r\n" + parts("--x\r\nContent-Length: LENGTH\r\n\r\n"),
}


@contextmanager
def answering(answer: bytes) -> Iterator[ReconnectingCapture]:
    with (
        raw_server(OK + answer, repeats=True, closes=True) as server,
        captured("http", server.url) as camera,
    ):
        yield camera


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_mjpeg_is_shown_whatever_stands_around_the_pictures(body: bytes) -> None:
    with answering(body) as camera:
        image = pictures(camera, 1)[0].pixels()
        assert image is not None
        assert unlikeness(image) < 8


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_mjpeg_is_shown_upright(orientation: int) -> None:
    jpeg = turned_jpeg(scene()[0], orientation)
    with answering(MULTIPART + (b"--frame\r\n\r\n" + jpeg) * 3 + b"--frame") as camera:
        picture = pictures(camera, 1)[0]
        image = picture.pixels()
        assert image is not None
        assert image.shape == (432, 768, 3) == (picture.height, picture.width, 3)
        assert unlikeness(image) < 8


@pytest.mark.parametrize("path", ["/cam", "/still.jpg"])
def test_time_that_a_picture_takes_to_be_decoded_counts_in_its_age(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    decode, decode_still = capture.JPEGDecoder.decode, capture.decode_still

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.5)
        return decode(*arguments) if len(arguments) == 2 else decode_still(*arguments)

    monkeypatch.setattr(capture.JPEGDecoder, "decode", slowly)
    monkeypatch.setattr(capture, "decode_still", slowly)
    with http_camera() as server:
        server.pages["/still.jpg"] = ("image/jpeg", plaza_jpegs()[0])
        with captured("http", server.base + path) as camera:
            picture = pictures(camera, 1)[0]
            assert time.monotonic() - picture.captured_at >= 0.5


def test_still_image_is_asked_again() -> None:
    with http_camera() as server, captured("http", server.base + "/still.jpg") as camera:
        server.pages["/still.jpg"] = ("image/jpeg", plaza_jpegs()[0])
        first = pictures(camera, 1)[0]
        server.pages["/still.jpg"] = ("image/jpeg", plaza_jpegs()[59])
        second = until(lambda: camera.slot.newest(first), 30, "another picture")
        images = [each.pixels() for each in (first, second)]
        assert images[0] is not None
        assert images[1] is not None
        assert (images[0] != images[1]).any()
        until(lambda: state(camera) == "live")
        assert server.requests.count("/still.jpg") >= 2


@pytest.mark.parametrize("name", ["/123", "/segment?id=7", "/a.jpg", "/a.php"])
def test_playlist_plays_whatever_its_segments_are_called(name: str) -> None:
    playlist = f"\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{name}\n#EXT-X-ENDLIST\n"
    with http_camera() as server:
        server.pages["/list"] = (HLS, playlist.encode())
        server.pages[name] = ("text/plain", segments()[0])
        with captured("http", server.base + "/list") as camera:
            image = pictures(camera, 2)[-1].pixels()
            assert image is not None
            assert unlikeness(image) < 8


def test_address_that_shows_no_picture_says_what_it_is(tmp_path: Path) -> None:
    with http_camera() as server, captured("http", server.base + "/html") as camera:
        until(lambda: state(camera) == "offline")
        assert "text/html, which is not video" in camera.health().reason


def test_pictures_that_cannot_be_decoded_are_told() -> None:
    arithmetic = plaza_jpegs()[0].replace(b"\xff\xc0", b"\xff\xc9", 1)
    with answering(MULTIPART + (b"--frame\r\n\r\n" + arithmetic + b"\r\n") * 12) as camera:
        until(lambda: state(camera) == "offline")
        assert camera.health().reason == UNDECODABLE


def test_damaged_pictures_are_passed_over() -> None:
    whole = plaza_jpegs()[0]
    damaged = whole.replace(b"\xff\xc0", b"\xff\xc9", 1)
    body = b"".join(b"--frame\r\n\r\n" + each + b"\r\n" for each in [damaged, whole] * 8)
    with answering(MULTIPART + body) as camera:
        image = pictures(camera, 2)[-1].pixels()
        assert image is not None
        assert unlikeness(image) < 8
