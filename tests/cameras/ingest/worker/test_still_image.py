"""Still images: polled at a rate, told apart from streams, and never shown twice as new."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import cv2
import numpy as np
import pytest

from cameras.ingest.sources.addresses import Address, SourceError
from cameras.ingest.sources.http_client import HTTPClient
from cameras.ingest.worker import sniff, still_image
from cameras.ingest.worker.mjpeg import JPEGReader
from cameras.ingest.worker.sniff import kind_of
from cameras.ingest.worker.still_image import CUT_SHORT, TOO_LARGE, StillImage
from tests.cameras.ingest.sources.raw_server import RawServer, raw_server
from tests.servers import plaza_jpegs, segments

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def polled(server: RawServer, fps: float = 1000.0) -> Iterator[StillImage]:
    client = HTTPClient(Address.parse("http", server.url), lambda *asked: True, silence_s=5.0)
    try:
        yield StillImage(client, fps)
    finally:
        client.close()


def answer(body: bytes, *headers: str, length: int | None = None) -> bytes:
    told = (f"Content-Length: {len(body) if length is None else length}", *headers)
    return OK + "".join(f"{line}\r\n" for line in told).encode() + b"\r\n" + body


def test_picture_is_polled_and_told_apart_from_the_same_one() -> None:
    first, second = plaza_jpegs()[:2]
    with (
        raw_server(answer(first), answer(first), answer(second)) as server,
        polled(server) as still,
    ):
        assert [still.next() for _ in range(3)] == [first, None, second]
        assert server.connections == 1, "kept alive"


def test_connection_that_the_camera_closed_is_opened_again() -> None:
    first, second = plaza_jpegs()[:2]
    with (
        raw_server(answer(first), answer(second), closes=True) as server,
        polled(server) as still,
    ):
        assert [still.next(), still.next()] == [first, second]
        assert server.connections == 2


def test_not_modified_is_a_sign_of_life() -> None:
    first = plaza_jpegs()[0]
    modified = "Wed, 02 Dec 2026 10:00:00 GMT"
    told = answer(first, 'ETag: "a"', f"Last-Modified: {modified}")
    with (
        raw_server(told, b"HTTP/1.1 304 Not Modified\r\n\r\n") as server,
        polled(server) as still,
    ):
        assert [still.next(), still.next()] == [first, None]
        assert b'If-None-Match: "a"' in server.requests[1]
        assert f"If-Modified-Since: {modified}".encode() in server.requests[1]


def test_camera_that_wrongly_says_not_modified_is_not_believed_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(still_image, "BELIEVED_S", 0.0)
    first, second = plaza_jpegs()[:2]
    told = [answer(one, 'ETag: "always"') for one in (first, second, first)]
    with raw_server(*told) as server, polled(server) as still:
        assert [still.next() for _ in range(3)] == [first, second, first]
        assert not any(b"If-None-Match" in request for request in server.requests)


def test_picture_without_a_length_ends_by_its_bytes_or_with_the_connection() -> None:
    first = plaza_jpegs()[0]
    png = cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes()
    with raw_server(OK + b"\r\n" + first, holds=True) as server, polled(server) as still:
        assert still.next() == first
    with raw_server(OK + b"\r\n" + png, closes=True) as server, polled(server) as still:
        assert still.next() == png


def test_what_is_no_whole_picture_is_refused() -> None:
    first = plaza_jpegs()[0]
    for given, sentence in (
        (answer(first[:500], length=len(first)), CUT_SHORT),
        (answer(b"\xff\xd8\xff" + b"a" * (8 * 1024 * 1024)), TOO_LARGE),
        (answer(b"<p>", "Content-Type: text/html"), "text/html, which is not video"),
        (b"HTTP/1.1 404 x\r\n\r\n", "no stream at this path"),
    ):
        with (
            raw_server(given, closes=True) as server,
            polled(server) as still,
            pytest.raises(SourceError) as caught,
        ):
            still.next()
        assert sentence in caught.value.sentence


def test_lost_turns_are_left_out() -> None:
    waits: list[float] = []
    picture = plaza_jpegs()[0]
    with raw_server(answer(picture), repeats=True) as server:
        client = HTTPClient(Address.parse("http", server.url), lambda *asked: True)
        still = StillImage(client, 1.0, wait=waits.append)
        still.next()
        still._due -= 9.5  # as after a stall of nine turns
        still.next()
        still.next()
        client.close()
    assert len(waits) == 1
    assert 0.5 < waits[0] <= 1.0
    assert still._due < time.monotonic() + 20.5


def part(picture: bytes) -> bytes:
    return b"--x\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"Content-Type: multipart/x-mixed-replace;boundary=x\r\n\r\n{part}", "mjpeg"),
        (b"\r\n{part}", "mjpeg"),
        (b"Content-Type: text/html\r\n\r\nContent-Type: image/jpeg\r\n\r\n{one}", "mjpeg"),
        (b"Content-Type: image/jpeg\r\n\r\n{one}{two}", "mjpeg"),
        (b"Content-Type: image/jpeg\r\n\r\n{one}", "still"),
        (b"Content-Type: video/x\r\n\r\n{one}", "still"),
        (b"\r\n\x89PNG\r\n\x1a\n{one}", "still"),
        (b"\r\nRIFF\1\1\1\1WEBPVP8 ", "still"),
        (b"Content-Type: image/webp\r\n\r\nxx", "still"),
        (b"Content-Type: image/jpeg\r\n\r\n{ts}", "still"),
        (b"Content-Type: text/plain\r\n\r\n#EXTM3U\n", "container"),
        (b"\r\n{ts}", "container"),
        (b"\r\n", "container"),
    ],
)
def test_body_is_known_by_its_bytes(head: bytes, kind: str) -> None:
    one, two = plaza_jpegs()[:2]
    for name, value in {b"part": part(one), b"one": one, b"two": two, b"ts": segments()[0]}.items():
        head = head.replace(b"{" + name + b"}", value)
    with raw_server(OK + head, closes=True) as server:
        client = HTTPClient(Address.parse("http", server.url), lambda *asked: True)
        with closing(client.get()) as response:
            assert kind_of(response) == kind
            if kind == "mjpeg":
                assert next(iter(JPEGReader(response.read, response.boundary))) == one


def test_picture_that_stays_alone_on_an_open_connection_is_a_still_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sniff, "ALONE_S", 0.05)
    with raw_server(OK + b"\r\n" + plaza_jpegs()[0], holds=True) as server:
        client = HTTPClient(Address.parse("http", server.url), lambda *asked: True)
        with closing(client.get()) as response:
            assert kind_of(response) == "still"
