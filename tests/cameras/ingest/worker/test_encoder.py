"""Encoding pictures as frames: sizes, boxes inside the frame, and age by the server's clock."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from cameras.ingest.worker.encoder import Encoder, encode_picture
from cameras.ingest.worker.picture import Picture
from cameras.ingest.worker.push import Push
from cameras.live.frames import Detection
from tests.servers import plaza_jpegs


@pytest.mark.parametrize("width", [None, 384, 333, 100])
def test_boxes_are_inside_the_frame(width: int | None) -> None:
    chance = random.Random(7)
    size = (767, 431)
    found = []
    for _ in range(3000):
        left, top = chance.uniform(0, size[0] - 1), chance.uniform(0, size[1] - 1)
        right = chance.choice((float(size[0]), chance.uniform(left + 0.5, size[0])))
        bottom = chance.choice((float(size[1]), chance.uniform(top + 0.5, size[1])))
        found.append(Detection("person", 0.9, (left, top, right - left, bottom - top)))
    picture = Picture(1, *size, np.zeros((size[1], size[0], 3), np.uint8))
    frame = encode_picture(picture, width, 80, found)
    assert frame is not None
    for wire in frame.detections or []:
        box = wire["bbox"]
        assert box == [round(value, 1) for value in box], "one decimal"
        assert 0 <= box[0] <= box[0] + box[2] <= frame.width
        assert 0 <= box[1] <= box[1] + box[3] <= frame.height


def test_box_is_rounded_to_end_at_the_edge() -> None:
    wire = Detection("person", 1, (100.05, 0, 283.95, 216)).to_dict()
    assert wire["bbox"] == [100.0, 0.0, 284.0, 216.0]


def test_frame_of_a_device_with_a_slow_clock_is_not_old() -> None:
    camera, now = Push(), time.time_ns() // 1_000_000
    assert camera.take(now - 20_000, plaza_jpegs()[0])
    picture = camera.slot.newest()
    assert picture is not None
    frame = encode_picture(picture, None, 80, None)
    assert frame is not None
    assert frame.timestamp == now - 20_000, "the device's timestamp stays on the wire"
    assert frame.captured_at == picture.captured_at
    assert frame.is_fresh


def picture(width: int = 768, height: int = 432, at: int = 1000) -> Picture:
    return Picture(at, width, height, np.full((height, width, 3), 90, np.uint8))


def test_only_requested_widths_are_encoded() -> None:
    encoder = Encoder(30, None, 80)
    assert encoder.due_widths(0) == []
    encoder.set_rates([(0, 0), (320, 5)])
    frames = dict(encoder.encode(picture(), encoder.due_widths(0), None))
    assert {width: (frame.width, frame.height) for width, frame in frames.items()} == {
        0: (768, 432), 320: (320, 180),
    }  # fmt: skip
    assert encoder.encodes == 2


def test_widths_with_the_same_size_are_encoded_once() -> None:
    encoder = Encoder(30, 500, 80)
    encoder.set_rates([(0, 0), (320, 0), (640, 0)])
    frames = dict(encoder.encode(picture(), encoder.due_widths(0), None))
    assert frames[640] is frames[0]
    assert (frames[0].width, frames[320].width) == (500, 320)
    assert encoder.encodes == 2
    small = Encoder(30, None, 80)
    small.set_rates([(0, 0), (320, 0), (640, 0)])
    assert len(dict(small.encode(picture(200, 100), small.due_widths(0), None))) == 3
    assert small.encodes == 1


def test_pushed_jpeg_is_not_encoded_again_in_its_native_width() -> None:
    jpeg = plaza_jpegs()[0]
    pushed = Picture(1, 768, 432, jpeg=jpeg)
    encoder = Encoder(30, None, 80)
    encoder.set_rates([(0, 0), (320, 0)])
    frames = dict(encoder.encode(pushed, [0, 320], None))
    assert frames[0].jpeg is jpeg
    assert frames[320].width == 320
    assert encoder.encodes == 1


def test_boxes_are_in_pixels_of_each_width() -> None:
    encoder = Encoder(30, None, 80)
    found = [Detection("person", 0.9, (384, 216, 192, 108))]
    frames = dict(encoder.encode(picture(), [0, 320], found))
    assert (frames[0].detections or [])[0]["bbox"] == [384, 216, 192, 108]
    assert (frames[320].detections or [])[0]["bbox"] == [160, 90, 80, 45]


def test_rates_are_limited_by_the_camera_and_even() -> None:
    encoder = Encoder(10, None, 80)
    encoder.set_rates([(0, 0), (320, 5), (640, 1)])
    assert encoder.rate == 10
    due = [encoder.due_widths(at) for at in range(0, 10_000, 40)]  # a source of 25 frames a second
    for width, fps in ((0, 25), (320, 5), (640, 1)):  # the camera is captured at its own rate
        assert abs(sum(width in widths for widths in due) - 10 * fps) <= 1, width
    encoder.set_rates([(320, 1)])
    assert encoder.rate == 1
    encoder.set_rates([])
    assert encoder.rate == 0
