"""The built-in detector on pictures of the demo clip."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from cameras.ingest.worker.detector import Detector
from tests.cameras.ingest.worker.clip import plaza

SIX = (50, 180, 310, 440, 570, 700)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def test_people_are_found_on_six_pictures_of_the_clip(detector: Detector) -> None:
    people = [
        found for number in SIX for found in detector.detect(plaza(number))
        if found.label == "person"
    ]  # fmt: skip
    assert 31 <= len(people) <= 45
    assert all(0.4 <= found.confidence <= 1 for found in people)


@pytest.mark.parametrize("size", [(768, 432), (432, 768), (64, 64), (1000, 30), (1, 1)])
def test_boxes_are_inside_a_picture_of_any_shape(detector: Detector, size: tuple[int, int]) -> None:
    image = cv2.resize(plaza(50), size).astype(np.uint8)
    for x, y, width, height in (found.bbox for found in detector.detect(image)):
        assert all(map(math.isfinite, (x, y, width, height)))
        assert 0 <= x < x + width <= size[0]
        assert 0 <= y < y + height <= size[1]


def test_boxes_scale_with_the_picture(detector: Detector) -> None:
    small = max(detector.detect(plaza(50)), key=lambda found: found.confidence)
    large = cv2.resize(plaza(50), None, fx=2, fy=2).astype(np.uint8)
    boxes = [found.bbox for found in detector.detect(large)]
    doubled = np.array(small.bbox) * 2
    assert min(np.abs(np.array(box) - doubled).max() for box in boxes) < 25


def test_only_the_selected_classes_are_found() -> None:
    assert Detector(classes=["car", "unicorn"]).detect(plaza(50)) == []
    assert Detector(classes=[]).detect(plaza(50)) == []


def test_higher_threshold_finds_fewer_objects(detector: Detector) -> None:
    assert 0 < len(Detector(threshold=0.75).detect(plaza(50))) < len(detector.detect(plaza(50)))
