"""Frames that come before their reader: how many are kept, and for how long."""

from __future__ import annotations

from cameras.ingest.supervisor import KEEP_S, MOST, PendingFrames
from cameras.ingest.uplink import Packet


def packet(camera: int, timestamp: int = 1) -> Packet:
    return {"type": "push", "camera": str(camera), "timestamp": timestamp}, b"jpeg"


def test_newest_of_a_camera_is_given_out_once() -> None:
    early = PendingFrames()
    early.put(packet(1, 10), 0.0)
    early.put(packet(1, 20), 1.0)
    assert early.take("1", 2.0) == packet(1, 20)
    assert early.take("1", 2.0) is None


def test_what_nobody_fetched_is_forgotten() -> None:
    early = PendingFrames()
    early.put(packet(1), 0.0)
    assert early.take("1", KEEP_S) is None


def test_frame_of_a_camera_that_is_off_is_forgotten_by_the_look_that_says_so() -> None:
    early = PendingFrames()
    early.put(packet(1), 1.0)
    early.put(packet(2), 1.0)
    early.put(packet(3), 3.0)
    early.only({"2"}, looked=2.0)
    assert early.take("1", 3.0) is None
    assert early.take("2", 3.0) is not None
    assert early.take("3", 3.0) is not None, "it may have been made after the look"


def test_of_too_many_cameras_the_one_that_waited_longest_goes() -> None:
    early = PendingFrames()
    for camera in range(MOST):
        early.put(packet(camera), 0.0)
    early.put(packet(0), 0.1)  # heard again
    early.put(packet(MOST), 0.2)
    assert early.take("1", 0.3) is None
    assert early.take("0", 0.3) is not None
    assert early.take(str(MOST), 0.3) is not None
