"""MJPEG bodies: the same pictures, whatever the camera writes between them."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable, Iterable
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cameras.ingest.worker import mjpeg
from cameras.ingest.worker.mjpeg import JPEGReader
from tests.servers import plaza_jpegs


@cache
def jpeg(shade: int, *, options: tuple[int, ...] = (), side: int = 24) -> bytes:
    rows = np.arange(side * side * 3, dtype=np.uint32).reshape(side, side, 3)
    pixels = ((rows * 7919 + shade) % 256).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, options)[1].tobytes()


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def with_thumbnail(picture: bytes, small: bytes) -> bytes:
    """The picture with another one in its EXIF."""
    return picture[:2] + segment(0xE1, b"Exif\0\0MM\0*" + small) + picture[2:]


A, B, C = jpeg(1), jpeg(90), jpeg(200)
PROGRESSIVE = jpeg(40, options=(cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
RESTARTS = jpeg(60, options=(cv2.IMWRITE_JPEG_RST_INTERVAL, 1))
THUMBNAIL = with_thumbnail(B, C)


def split(body: bytes, sizes: Iterable[int]) -> Callable[[int], bytes]:
    """A body that arrives in parts of these sizes, and then at once."""
    source, parts = io.BytesIO(body), iter(sizes)
    return lambda n: source.read(min(n, next(parts, n)))


def pictures(
    body: bytes, boundary: bytes | None = b"frame", sizes: Iterable[int] = ()
) -> tuple[list[bytes], int]:
    """The pictures of a body, and how many were dropped."""
    reader = JPEGReader(split(body, sizes), boundary)
    return list(reader), reader.dropped


def parts(*heads: bytes, between: bytes = b"\r\n") -> bytes:
    """A body of three pictures; the last head is repeated."""
    heads = heads + heads[-1:] * 2
    return b"".join(head + picture + between for head, picture in zip(heads, (A, B, C)))  # noqa: B905


HEAD = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
BODIES = {
    "as it should be": b"".join(HEAD % len(one) + one + b"\r\n" for one in (A, B, C)),
    "boundary twice": parts(b"--frame\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"),
    "first part without one": parts(b"Content-Type: image/jpeg\r\n\r\n", HEAD % 99),
    "image/jpg": parts(b"--frame\r\nContent-Type: image/jpg\r\n\r\n"),
    "parameters": parts(b"--frame\r\nContent-Type: image/jpeg; charset=utf-8\r\n\r\n"),
    "no type": parts(b"--frame\r\n\r\n"),
    "length too short": parts(HEAD % 20),
    "length too long": parts(HEAD % 100_000),
    "length 0": parts(HEAD % 0),
    "bare LF": parts(b"--frame\nContent-Type: image/jpeg\n\n", between=b"\n"),
    "no line end after a picture": parts(HEAD % 1, between=b""),
    "no multipart at all": A + B + C,
    "garbage between": parts(b"\xff\xd8 noise \xff\xff\0--frame--\r\n" + HEAD % 7),
    "padding after a picture": parts(HEAD % 1, between=b"\0" * 700 + b"\r\n"),
    "another boundary than told": parts(b"--other\r\nContent-Type: image/jpeg\r\n\r\n"),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_part_headers_make_no_difference(body: bytes) -> None:
    for boundary in (b"frame", b"--frame", b"x", None):
        assert pictures(body, boundary) == ([A, B, C], 0)


def test_thumbnail_restart_markers_and_scans_belong_to_their_picture() -> None:
    assert PROGRESSIVE.count(b"\xff\xda") > 3
    assert b"\xff\xd0" in RESTARTS
    filled = A[:2] + b"\xff\xff" + A[2:]
    nested = with_thumbnail(A, THUMBNAIL)
    given = [THUMBNAIL, PROGRESSIVE, RESTARTS, filled, nested]
    for between in (b"", b"\r\n--frame\r\n\r\n"):
        assert pictures(between.join(given)) == (given, 0)


@pytest.mark.parametrize("boundary", [b"frame", None])
def test_picture_that_is_cut_short_is_dropped(boundary: bytes | None) -> None:
    head = HEAD % 5
    scan = A.index(b"\xff\xda") + 20
    for cut in (scan, len(A) - 2, len(A) - 1):
        body = head + A[:cut] + b"\r\n" + head + B + b"\r\n" + head + C
        assert pictures(body, boundary) == ([B, C], 1), "in its scan"
        assert pictures(A[:cut] + B + C) == ([B, C], 1), "raw"
    for cut in range(4, scan - 20, 7):
        # Here the walk by lengths leads beyond the boundary.
        body = head + THUMBNAIL[:cut] + b"\r\n" + head + B + b"\r\n" + head + C
        assert pictures(body, boundary)[0] == [B, C], cut
    assert pictures(A + B[:-9]) == ([A], 1), "at the end"


def test_thumbnail_of_a_damaged_picture_is_no_picture() -> None:
    broken = bytearray(THUMBNAIL)
    broken[4:6] = b"\0\1"  # a length that none has
    assert pictures(HEAD % 1 + bytes(broken) + b"\r\n" + HEAD % 1 + A) == ([A], 1)


def test_picture_over_the_limit_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mjpeg, "MAX_JPEG_BYTES", len(A) + 500)
    large = jpeg(5, side=96)
    assert len(large) > len(A) + 500
    body = b"".join(HEAD % 1 + one + b"\r\n" for one in (A, large, B, THUMBNAIL + large, C))
    found, dropped = pictures(body)
    assert found == [A, B, C]
    assert dropped >= 2


def test_buffer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mjpeg, "MAX_JPEG_BYTES", 10_000)
    readers: list[JPEGReader] = []
    for filler in (b"\x55", b"\xff", b"\xff\xd8\xff\xda\0\x08", b"--frame\r\n", b"\xff\xe0\0\x02"):
        held: list[int] = []

        def read(n: int, filler: bytes = filler, held: list[int] = held) -> bytes:
            held.append(len(readers[-1]._data))
            return b"\xff\xd8\xff" + filler * 100 if len(held) < 400 else b""

        readers.append(JPEGReader(read))
        assert list(readers[-1]) == []
        assert max(held) < 12_000, filler


WHOLE = [A, B, C, THUMBNAIL, PROGRESSIVE, RESTARTS]
CUT = [A[:300], B[:-2], THUMBNAIL[:90]]
BETWEEN = [HEAD % 3, b"\r\n", b"--frame\r\n\r\n", b"\xff\xd8", b"\xff\xd8\xff", b"\0"]
PIECES = st.lists(
    st.one_of(st.sampled_from(WHOLE + CUT), st.sampled_from(BETWEEN), st.binary(max_size=30)),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(PIECES, st.lists(st.integers(1, 700), max_size=200), st.sampled_from([b"frame", None]))
def test_reads_make_no_difference(
    pieces: list[bytes], sizes: list[int], boundary: bytes | None
) -> None:
    body = b"".join(pieces)
    whole = pictures(body, boundary)
    assert pictures(body, boundary, sizes) == whole
    assert pictures(body, boundary, [1] * 1000) == whole
    for picture in whole[0]:
        assert picture.startswith(b"\xff\xd8\xff")
        assert picture.endswith(b"\xff\xd9")


@pytest.mark.timing
def test_reader_costs_a_fraction_of_decoding() -> None:
    given = plaza_jpegs(60)
    body = b"".join(HEAD % len(one) + one + b"\r\n" for one in given)
    costs: dict[str, list[float]] = {"read": [], "decode": []}
    for _ in range(5):
        began = time.process_time()
        assert len(list(JPEGReader(split(body, [16_384] * 1000), b"frame"))) == 60
        between = time.process_time()
        for one in given:
            cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR)
        costs["read"].append(between - began)
        costs["decode"].append(time.process_time() - between)
    assert min(costs["read"]) < 0.25 * min(costs["decode"])
