"""Detections, packets and the validation of JPEGs."""

from __future__ import annotations

import struct

import pytest

from cameras.live import jpeg as jpeg_module
from cameras.live.frames import Detection
from cameras.live.jpeg import FrameError, jpeg_size
from cameras.live.packets import PacketReader, pack
from tests.sockets import jpeg


def test_detection_has_the_seeds_fields() -> None:
    assert Detection("person", 0.87654, (1.04, 2, 3, 4), 9).to_dict() == {
        "class": "person", "confidence": 0.877, "bbox": [1.0, 2, 3, 4], "track_id": 9,
    }  # fmt: skip


def test_packets_are_read_from_pieces_of_any_size() -> None:
    stream = b"".join(pack({"type": "t", "n": n}, bytes([n]) * n) for n in range(5))
    for step in (1, 3, 7, len(stream)):
        reader, found = PacketReader(), []
        for at in range(0, len(stream), step):
            found += list(reader.feed(stream[at : at + step]))
        assert [(header["n"], payload) for header, payload in found] == [
            (n, bytes([n]) * n) for n in range(5)
        ]


def test_too_large_packet_is_refused() -> None:
    with pytest.raises(FrameError):
        list(PacketReader().feed(struct.pack(">II", 2**31, 0)))


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        pack({"timestamp": float("nan")})


def test_size_is_read_without_decoding() -> None:
    assert jpeg_size(jpeg(64, 48)) == (64, 48)


def _with(*segments: bytes) -> bytes:
    """A small JPEG with more segments after its start."""
    return jpeg()[:2] + b"".join(segments) + jpeg()[2:]


def _frame_header(width: int, height: int) -> bytes:
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return b"\xff\xc0\x00\x11\x08" + size + b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"


@pytest.mark.parametrize(
    "data",
    [
        _with(b"\xff\x00\x00\x20" + _frame_header(12_000, 12_000)),
        _with(_frame_header(12_000, 12_000)),
        _with(b"\xff\xd8"),
        _with(b"\xff\xfe\x00\x00"),
        jpeg()[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 400 + b"\xff\xd9",
    ],
    ids=["hidden header", "two headers", "second start", "empty segment", "a thousand scans"],
)
def test_picture_with_an_ambiguous_size_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        jpeg_size(data)


def _padded(segments: int, fill: int) -> bytes:
    return _with(b"\xff" * fill, b"\xff\xfe\x00\x02" * segments)


def test_some_fill_bytes_and_many_segments_are_accepted() -> None:
    assert jpeg_size(_padded(segments=600, fill=16)) == (64, 48)


@pytest.mark.parametrize(
    "data",
    [
        _padded(segments=0, fill=5_900_000),
        _padded(segments=2_000_000, fill=0),
        _with(*[b"\xff\xff\xfe\x00\x02"] * 100),
    ],
    ids=["fill", "segments", "fill here and there"],
)
def test_number_of_parsed_segments_is_limited(data: bytes) -> None:
    """Headers are parsed on the event loop. The test counts steps, since it must not take time."""
    steps = []
    with pytest.MonkeyPatch.context() as patched:
        real = jpeg_module.struct.unpack_from
        counted = lambda *args: steps.append(1) or real(*args)  # noqa: E731
        patched.setattr(jpeg_module.struct, "unpack_from", counted)
        with pytest.raises(FrameError, match="than any camera writes"):
            jpeg_size(data)
    assert len(steps) <= 1_002


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8\xff", b"GIF89a" + b"\0" * 50, jpeg()[:200], jpeg()[:-2], b"\xff\xd8\xff\xd9",
     b"\xff\xd8\xff\xc0\x00\x04\xff\xd9", b"\xff\xd8\xff\xe0\x00\x00" * 40 + b"\xff\xd9"],
)  # fmt: skip
def test_invalid_jpeg_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(FrameError) as refused:
        jpeg_size(data)
    assert refused.value.field == "frame"
    assert refused.value.sentence.endswith(".")
