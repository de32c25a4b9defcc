"""Tracking of objects between pictures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from cameras.ingest.worker.tracker import MAX_TRACKS, Tracker
from cameras.live.frames import Detection

SIZE = (640, 360)


def person(x: float, y: float = 100, confidence: float = 0.8, label: str = "person") -> Detection:
    return Detection(label, confidence, (x, y, 30.0, 80.0))


def ids(tracker: Tracker, timestamp: int) -> list[int | None]:
    return [found.track_id for found in tracker.detections_at(timestamp)]


def test_two_crossing_people_keep_their_ids() -> None:
    tracker = Tracker()
    for step in range(40):
        left, right = 20 + 12 * step, 500 - 12 * step
        tracker.update([person(left, 90), person(right, 120)], 1000 + 200 * step, SIZE)
        there = {
            found.track_id: found.bbox[0] for found in tracker.detections_at(1000 + 200 * step)
        }
        assert there[1] == pytest.approx(left, abs=1)
        assert there[2] == pytest.approx(max(0, right), abs=1)


def test_track_survives_a_gap_in_detections() -> None:
    tracker = Tracker()
    for step in (0, 1, 2, 3, 9, 10):
        tracker.update([person(20 + 15 * step)], 1000 + 200 * step, SIZE)
    assert ids(tracker, 3000) == [1]


def test_fast_object_without_overlapping_boxes_stays_one_track() -> None:
    tracker = Tracker()
    for step in range(6):
        tracker.update([person(20 + 45 * step)], 1000 + 500 * step, SIZE)
    assert ids(tracker, 3500) == [1]


def test_weak_detection_continues_a_track_but_starts_none() -> None:
    tracker = Tracker(confident=0.4)
    tracker.update([person(20), person(400, confidence=0.3)], 1000, SIZE)
    assert ids(tracker, 1000) == [1]
    for step in range(1, 15):
        tracker.update([person(20, confidence=0.25)], 1000 + 200 * step, SIZE)
    assert ids(tracker, 3800) == [1]


def test_boxes_move_with_the_frame_between_detections() -> None:
    tracker = Tracker()
    tracker.update([person(100)], 1000, SIZE)
    tracker.update([person(120)], 1200, SIZE)
    assert tracker.detections_at(1300)[0].bbox == pytest.approx((130, 100, 30, 80))


def test_track_without_detections_for_a_second_is_not_shown() -> None:
    tracker = Tracker()
    tracker.update([person(100)], 1000, SIZE)
    tracker.update([], 1900, SIZE)
    assert ids(tracker, 1900) == [1]
    tracker.update([], 2100, SIZE)
    assert ids(tracker, 2100) == []


def test_tracks_are_shown_for_three_seconds_without_updates() -> None:
    tracker = Tracker()
    tracker.update([person(100)], 1000, SIZE)
    assert ids(tracker, 2500) == [1]
    assert ids(tracker, 4100) == []


def test_weak_detection_does_not_change_the_confidence() -> None:
    tracker = Tracker(0.4)
    tracker.update([person(100)], 1000, SIZE)
    sure = tracker.detections_at(1000)[0].confidence
    tracker.update([replace(person(102), confidence=0.2)], 1200, SIZE)
    assert tracker.detections_at(1200)[0].confidence == sure


def test_boxes_are_finite_and_inside_the_picture() -> None:
    tracker = Tracker()
    broken = Detection("person", 0.9, (math.nan, 0, 10, math.inf))
    for step in range(20):
        found = [person(560 + 8 * step), broken, person(-10 - step)]
        tracker.update(found, 1000 + 100 * step, SIZE)
        for shown in tracker.detections_at(1000 + 100 * step + 80):
            x, y, width, height = shown.bbox
            assert all(map(math.isfinite, shown.bbox))
            assert 0 <= x < x + width <= SIZE[0]
            assert 0 <= y < y + height <= SIZE[1]


def test_vehicle_labels_share_a_track_and_other_labels_do_not() -> None:
    tracker = Tracker()
    tracker.update([person(100, label="car"), person(300)], 1000, SIZE)
    tracker.update([person(102, label="truck"), person(302, label="dog")], 1200, SIZE)
    assert [(found.track_id, found.label) for found in tracker.detections_at(1200)] == [
        (1, "car"), (2, "person"), (3, "dog"),
    ]  # fmt: skip


def test_older_picture_is_ignored_and_new_size_drops_tracks() -> None:
    tracker = Tracker()
    tracker.update([person(100)], 2000, SIZE)
    tracker.update([], 1000, SIZE)
    assert ids(tracker, 2000) == [1]
    tracker.update([person(100)], 2200, (320, 180))
    assert ids(tracker, 2200) == [2]


def test_number_of_tracks_is_limited() -> None:
    tracker = Tracker()
    for step in range(3):
        crowd = [person(40.0 * i, 1000.0 * step) for i in range(MAX_TRACKS)]
        tracker.update(crowd, 1000 + step, (40 * MAX_TRACKS, 4000))
    assert len(tracker.detections_at(1002)) == MAX_TRACKS
