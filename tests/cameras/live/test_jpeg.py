"""What is removed from a pushed JPEG before anybody sees it."""

from __future__ import annotations

import base64
import json
import struct

import cv2
import numpy as np
import pytest

from cameras.live.incoming import Envelope, parse_seed, parse_v1
from cameras.live.jpeg import FrameError, jpeg_size, without_metadata
from tests.cameras.live.metadata import PLACE, described, exif, segment
from tests.push_messages import now
from tests.sockets import jpeg, pixels


def ends_as_jpeg(data: bytes) -> bytes:
    """Return the JPEG with another end mark after what follows its own."""
    return data + b"\xff\xd9"


@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
def test_only_the_picture_is_left(progressive: bool) -> None:
    sent = ends_as_jpeg(described(progressive=progressive))
    assert sent.count(PLACE) >= 8
    assert jpeg_size(sent) == (64, 48)
    kept = without_metadata(sent)
    assert PLACE[:12] not in kept
    for name in (b"Exif", b"xmp", b"ICC_", b"8BIM", b"JFXX"):
        assert name not in kept
    assert np.array_equal(pixels(kept), pixels(sent)), "the picture was changed"
    assert without_metadata(kept) == kept


def test_colour_coding_is_kept() -> None:
    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\0" + PLACE)  # three components that are RGB
    plain = jpeg()
    sent = b"\xff\xd8" + adobe + plain[20:]
    kept = without_metadata(sent)
    assert PLACE not in kept
    assert b"Adobe" in kept
    assert np.array_equal(pixels(kept), pixels(sent))
    assert not np.array_equal(pixels(kept), pixels(plain))


@pytest.mark.parametrize("order", "<>", ids=["little-endian", "big-endian"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_picture_stays_turned(orientation: int, order: str) -> None:
    sent = ends_as_jpeg(described(orientation=orientation, order=order))
    kept = without_metadata(sent)
    assert PLACE not in kept
    assert np.array_equal(pixels(kept), pixels(sent))
    assert pixels(kept).shape == ((64, 48, 3) if orientation > 4 else (48, 64, 3))
    assert without_metadata(kept) == kept


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_orientation_that_does_not_exist_is_left_out(value: int) -> None:
    assert b"Exif" not in without_metadata(ends_as_jpeg(described(orientation=value)))


@pytest.mark.parametrize("cut", range(4, 60, 5))
def test_broken_exif_is_left_out(cut: int) -> None:
    broken = segment(0xE1, exif(6)[4 : 4 + cut])
    kept = without_metadata(b"\xff\xd8" + broken + jpeg()[2:])
    assert pixels(kept).size == 48 * 64 * 3


def test_damaged_jpeg_is_refused() -> None:
    whole = jpeg()
    scan = whole.index(b"\xff\xda")
    second_size = whole[whole.index(b"\xff\xc0") :][:19]
    for damaged in (
        whole[:-2],
        whole[:scan] + b"\xff\xd9",
        whole[:scan] + b"\0" + whole[scan:],
        whole[:-2] + b"\xff\xd8" + whole[2:],
        whole[:-2] + second_size + b"\xff\xd9",
        whole[:-2] + segment(0xFE, b"") * 1001 + b"\xff\xd9",
    ):
        with pytest.raises(FrameError, match="damaged") as refused:
            without_metadata(damaged)
        assert refused.value.field == "frame"


def _messages(picture: bytes) -> list[Envelope]:
    """Return a pushed picture in each of the two formats."""
    header = json.dumps({"timestamp": now()}).encode()
    seed = {"timestamp": now(), "frame": base64.b64encode(picture).decode()}
    return [
        parse_seed(json.dumps(seed).encode()),
        parse_v1(struct.pack(">I", len(header)) + header + picture),
    ]


def test_pushed_frame_says_nothing_about_its_place() -> None:
    for envelope in _messages(ends_as_jpeg(described(orientation=6))):
        frame = envelope.validate()
        assert PLACE not in frame.jpeg
        assert cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), 1).shape == (64, 48, 3)


def test_damaged_pushed_frame_is_refused() -> None:
    for envelope in _messages(jpeg()[:-2] + b"\xff\xd8\xff\xd9"):
        with pytest.raises(FrameError, match="damaged"):
            envelope.validate()
