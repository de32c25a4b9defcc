"""Classes of the built-in detector, in the order of its output, and label rules. OpenCV-free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

# Without this allow-list the built-in detector reports sports balls, skis and benches everywhere.
DEFAULT_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "bus", "truck", "cat", "dog", "horse",
)  # fmt: skip

MAX_LENGTH = 60  # characters of a label
MAX_LABELS = 1000  # of one detector


def read_labels(names: Iterable[object]) -> list[str]:
    """Return the labels, stripped and checked. Raises `ValueError` with a sentence for the user."""
    labels = [str(name).strip() for name in names]
    if not labels:
        raise ValueError("There are no labels.")
    if len(labels) > MAX_LABELS:
        raise ValueError(f"There are more than {MAX_LABELS} labels.")
    if len(set(labels)) < len(labels):
        twice = next(name for name in labels if labels.count(name) > 1)
        raise ValueError(f"The label “{twice[:MAX_LENGTH]}” is there twice.")
    for name in labels:
        if not name or len(name) > MAX_LENGTH or not name.isprintable():
            raise ValueError(f"A label is one line of 1 to {MAX_LENGTH} characters.")
    return labels


def select_labels(classes: Iterable[str], labels: Sequence[str]) -> list[str]:
    """Return the detector's `labels` that are in a camera's allow-list `classes`.

    An allow-list that is the default, or matches no label, was made for another detector. Then
    return the default classes for the built-in detector, all labels for a custom one.
    """
    wanted = set(classes)
    known = [label for label in labels if label in wanted]
    if wanted and (not known or wanted == {*DEFAULT_CLASSES}):
        return list(DEFAULT_CLASSES if tuple(labels) == COCO else labels)
    return known
