"""Validation of custom models: which are accepted, which are refused and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from cameras.ingest.custom_models.check import check
from cameras.ingest.custom_models.validation import listed_names
from cameras.ingest.labels import COCO, DEFAULT_CLASSES, read_labels, select_labels
from cameras.ingest.worker.custom_detector import CustomDetector
from cameras.ingest.worker.detector import WEIGHTS
from tests.cameras.ingest.custom_models import onnx_models
from tests.cameras.ingest.custom_models.checks import (
    BLUE,
    RED,
    refusal,
    refusal_in_process,
    stored_model,
)
from tests.cameras.ingest.custom_models.onnx_models import LABELS, picture


@pytest.mark.parametrize("turned", [False, True], ids=["rows first", "boxes first"])
def test_valid_detector_passes_and_finds_objects(tmp_path: Path, turned: bool) -> None:
    data = onnx_models.finder(turned=turned)
    passed = check(data, LABELS, "rgb", "unit")
    assert (passed.width, passed.height, passed.labels) == (96, 64, LABELS)
    detector = CustomDetector(stored_model(tmp_path, data), 0.5, LABELS)
    try:
        (red,) = detector.detect(picture(RED, 64, 32))
        assert (red.label, red.bbox) == ("red thing", (64, 32, 32, 32))
        assert red.confidence == pytest.approx(1)
        (blue,) = detector.detect(picture(BLUE, 0, 96))
        assert (blue.label, blue.bbox) == ("blue thing", (0, 96, 32, 32))
        assert detector.detect(picture((90, 90, 90), 0, 0)) == []
    finally:
        detector.close()


def test_colours_have_the_configured_order(tmp_path: Path) -> None:
    detector = CustomDetector(
        stored_model(tmp_path, onnx_models.finder(), colours="bgr"), 0.5, LABELS
    )
    try:
        assert [found.label for found in detector.detect(picture(RED, 64, 32))] == ["blue thing"]
    finally:
        detector.close()


def test_boxes_with_nan_are_dropped(tmp_path: Path) -> None:
    """The check cannot notice: it happens on dark pictures only."""
    assert check(onnx_models.nan_boxes(), LABELS, "rgb", "unit")
    detector = CustomDetector(stored_model(tmp_path, onnx_models.nan_boxes()), 0.5, LABELS)
    try:
        assert len(detector.detect(picture(RED, 64, 32))) == 1
        assert detector.detect(picture((0, 0, 0), 0, 0, 100)) == []
    finally:
        detector.close()


def test_only_the_selected_labels_are_found(tmp_path: Path) -> None:
    detector = CustomDetector(stored_model(tmp_path, onnx_models.finder()), 0.5, ["blue thing"])
    try:
        assert detector.detect(picture(RED, 64, 32)) == []
        assert len(detector.detect(picture(BLUE, 64, 32))) == 1
    finally:
        detector.close()


def test_builtin_weights_pass_and_contain_their_labels() -> None:
    passed = check(WEIGHTS.read_bytes(), None, "bgr", "bytes")
    assert (passed.width, passed.height) == (416, 256)
    assert passed.labels == list(COCO)
    assert "ms of one processor" in passed.sentence()


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ("{0: 'person', 1: 'ball'}", ["person", "ball"]),
        ('{"1": "ball", "0": "person"}', ["person", "ball"]),
        ("['person', 'ball']", ["person", "ball"]),
        ("person, ball", ["person", "ball"]),
        ("{0: __import__('os').getcwd()}", []),
        ("{'a': 'person'}", []),
        ("[" * 5000, []),
        ("", []),
    ],
)
def test_labels_are_read_from_model_metadata(names: str, labels: list[str]) -> None:
    assert listed_names(names) == labels


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "no file": (lambda: b"", "It cannot be loaded"),
    "no ONNX": (lambda: b"\x89PNG" + bytes(500), "not an ONNX file"),
    "cut off": (lambda: onnx_models.finder()[:-200], "not an ONNX file"),
    "too few labels": (lambda: onnx_models.constant_output(0.5, rows=9), "1 × 6 × boxes"),
    "too many inputs' channels": (
        lambda: onnx_models.constant_output(0.5, shape=(1, 1, 64, 96)), "1 × 3 × height × width",
    ),
    "a batch": (lambda: onnx_models.constant_output(0.5, shape=(8, 3, 64, 96)), "1 × 3 × height"),
    "huge pictures": (
        lambda: onnx_models.constant_output(0.5, shape=(1, 3, 4096, 4096)), "32 to 1280",
    ),
    "tiny pictures": (lambda: onnx_models.constant_output(0.5, shape=(1, 3, 8, 8)), "32 to 1280"),
    "NaN": (lambda: onnx_models.constant_output(float("nan")), "NaN"),
    "infinite": (lambda: onnx_models.constant_output(float("inf")), "NaN or infinite"),
    "no sigmoid": (lambda: onnx_models.constant_output(7.0), "from 0 to 1"),
    "two outputs": (
        lambda: onnx_models.model(
            [helper.make_node("Identity", ["images"], [name]) for name in ("out", "more")],
            outputs=("out", "more"),
        ).SerializeToString(), "2 outputs",
    ),
    "an unknown operator": (
        lambda: onnx_models.with_more_nodes(
            helper.make_node("Nonsense", ["found"], ["out"], domain="evil")
        ),
        "cannot be loaded",
    ),
    "whole numbers": (
        lambda: onnx_models.model(
            [helper.make_node("Identity", ["images"], ["out"])], kind=TensorProto.INT64
        ).SerializeToString(), "float",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_model_that_is_no_detector_is_refused_with_a_reason(name: str) -> None:
    build, reason = WRONG[name]
    assert reason in refusal_in_process(build())


@pytest.mark.parametrize("name", ["cut off", "an unknown operator", "NaN"])
def test_reason_is_returned_by_the_model_process(name: str) -> None:
    build, reason = WRONG[name]
    assert reason in refusal(build())


def test_model_without_labels_is_refused() -> None:
    assert "names no labels" in refusal(onnx_models.finder(), labels=None)


def test_label_is_one_printable_line() -> None:
    assert "one line" in refusal(onnx_models.finder(names="{0: 'a', 1: 'b\\nc'}"), labels=None)
    for bad in (["a", "a"], [""], ["x" * 61], ["a\x1b[2J"], [f"{n}" for n in range(1001)]):
        with pytest.raises(ValueError, match="label"):
            read_labels(bad)


def test_allow_list_of_another_detector_selects_the_defaults() -> None:
    assert select_labels(["person"], COCO) == ["person"]
    assert select_labels([], COCO) == []
    assert select_labels(["player", "goal"], COCO) == list(DEFAULT_CLASSES)
    assert select_labels(DEFAULT_CLASSES, ["person", "goal"]) == ["person", "goal"]
    assert select_labels(["person"], ["person", "goal"]) == ["person"]
    assert select_labels(["car"], ["player", "goal"]) == ["player", "goal"]
