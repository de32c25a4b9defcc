"""From a picture to the frame that is delivered: boxes inside it, its age by our clock."""

from __future__ import annotations

import json
import random
import time

import numpy as np
import pytest

from cameras.ingest.encoding import deliver
from cameras.ingest.pictures import Picture
from cameras.ingest.push import Push
from cameras.live.frames import Detection, Frame, v1_message
from tests.servers import plaza_jpegs

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize("width", [None, 384, 333, 100])
def test_boxes_never_leave_the_delivered_picture(width: int | None) -> None:
    chance = random.Random(7)
    size = (767, 431)
    found = []
    for _ in range(3000):
        left, top = chance.uniform(0, size[0] - 1), chance.uniform(0, size[1] - 1)
        right = chance.choice((float(size[0]), chance.uniform(left + 0.5, size[0])))
        bottom = chance.choice((float(size[1]), chance.uniform(top + 0.5, size[1])))
        found.append(Detection("person", 0.9, (left, top, right - left, bottom - top)))
    picture = Picture(1, *size, np.zeros((size[1], size[0], 3), np.uint8))
    frame = deliver(picture, width, 80, found)
    assert frame is not None
    for wire in frame.detections or []:
        box = wire["bbox"]
        assert box == [round(value, 1) for value in box], "one decimal"
        assert 0 <= box[0] <= box[0] + box[2] <= frame.width
        assert 0 <= box[1] <= box[1] + box[3] <= frame.height


def test_a_box_on_the_edge_ends_there() -> None:
    wire = Detection("person", 1, (100.05, 0, 283.95, 216)).wire()
    assert wire["bbox"] == [100.0, 0.0, 284.0, 216.0]


def test_a_device_whose_clock_is_behind_is_not_old() -> None:
    camera, now = Push(), int(time.time() * 1000)
    assert camera.take(now - 20_000, plaza_jpegs()[0])
    picture = camera.slot.newest()
    assert picture is not None
    frame = deliver(picture, None, 80, None)
    assert frame is not None
    assert frame.timestamp == now - 20_000, "what the device says stays on the wire"
    passed = Frame.from_header(frame.packet_header(), frame.jpeg)
    assert passed == frame
    assert 0 <= passed.age_ms(int(time.time() * 1000)) < 5_000
    assert b"arrived" not in v1_message(passed, "c", 0)
    assert "arrived" not in passed.header()


def test_a_captured_frame_is_as_old_as_its_timestamp_and_never_from_the_future() -> None:
    frame = Frame(b"", 1000, 1, 2, 2)
    assert "arrived" not in json.dumps(frame.packet_header())
    assert frame.age_ms(1500) == 500
    assert frame.age_ms(500) == 0
