"""The classes that the shipped detector knows, in the order of its output. No OpenCV here."""

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

# Without an allow-list the weights see sports balls, skis and benches in every plaza.
DEFAULT_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "bus", "truck", "cat", "dog", "horse",
)  # fmt: skip

LONGEST = 60  # characters of a label
MOST = 1000  # labels of a detector


def read_labels(names: Iterable[object]) -> list[str]:
    """Labels that somebody wrote, each one printable line. Raises `ValueError` with a sentence."""
    made = [str(name).strip() for name in names]
    if not made:
        raise ValueError("There are no labels.")
    if len(made) > MOST:
        raise ValueError(f"There are more than {MOST} labels.")
    if len(set(made)) < len(made):
        twice = next(name for name in made if made.count(name) > 1)
        raise ValueError(f"The label “{twice[:LONGEST]}” is there twice.")
    for name in made:
        if not name or len(name) > LONGEST or not name.isprintable():
            raise ValueError(f"A label is one line of 1 to {LONGEST} characters.")
    return made


def chosen(classes: Iterable[str], labels: Sequence[str]) -> list[str]:
    """Those of a detector's `labels` that a camera's allow-list asks for.

    A list that was never changed, or that names nothing which this detector knows, was made for
    another one: then the shipped detector finds its usual classes, another one all it knows.
    """
    wanted = set(classes)
    known = [label for label in labels if label in wanted]
    if wanted and (not known or wanted == {*DEFAULT_CLASSES}):
        return list(DEFAULT_CLASSES if tuple(labels) == COCO else labels)
    return known
