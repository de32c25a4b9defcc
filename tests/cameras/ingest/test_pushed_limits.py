"""Limits of frames pushed before their worker runs: how many are kept, and for how long."""

from __future__ import annotations

from cameras.ingest.links import Packet
from cameras.ingest.supervisor import MAX_PENDING, PENDING_S, PendingFrames


def packet(camera: int, timestamp: int = 1) -> Packet:
    return {"type": "push", "camera": str(camera), "timestamp": timestamp}, b"jpeg"


def test_newest_frame_of_a_camera_is_taken_once() -> None:
    pending = PendingFrames()
    pending.put(packet(1, 10), 0.0)
    pending.put(packet(1, 20), 1.0)
    assert pending.take("1", 2.0) == packet(1, 20)
    assert pending.take("1", 2.0) is None


def test_frame_expires() -> None:
    pending = PendingFrames()
    pending.put(packet(1), 0.0)
    assert pending.take("1", PENDING_S) is None


def test_frame_of_a_disabled_camera_is_dropped_at_the_next_poll() -> None:
    pending = PendingFrames()
    pending.put(packet(1), 1.0)
    pending.put(packet(2), 1.0)
    pending.put(packet(3), 3.0)
    pending.keep_only({"2"}, polled_at=2.0)
    assert pending.take("1", 3.0) is None
    assert pending.take("2", 3.0) is not None
    assert pending.take("3", 3.0) is not None, "its camera may be newer than the poll"


def test_oldest_frame_is_dropped_when_there_are_too_many() -> None:
    pending = PendingFrames()
    for camera in range(MAX_PENDING):
        pending.put(packet(camera), 0.0)
    pending.put(packet(0), 0.1)  # again, so it is not the oldest
    pending.put(packet(MAX_PENDING), 0.2)
    assert pending.take("1", 0.3) is None
    assert pending.take("0", 0.3) is not None
    assert pending.take(str(MAX_PENDING), 0.3) is not None
