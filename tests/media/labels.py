"""People in pictures of the demo clip, labelled by eye, and what a detector is judged by.

plaza.json holds the labels; README.md says how they were made. A found box is right if it covers
a labelled person with an IoU of 0.5 or more. Matching is greedy, best overlap first, one box a
person. A person marked `ignored` is neither missed nor wrong: boxes on it do not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("plaza.json")
PARTS = ("tuning", "judging")
MATCH_IOU = 0.5
COVERED = 0.5  # of a box inside something, so that it counts as lying on that

Box = tuple[float, float, float, float]  # x, y, width, height in pixels of the picture


@dataclass(frozen=True, slots=True)
class Person:
    """A visible person. `id` stays the same from entering the picture to leaving it."""

    id: str
    box: Box
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A labelled picture: its frame number in the clip, from 0, and everybody in it."""

    number: int
    part: str
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Furniture:
    """A thing that never moves and that detectors take for a person."""

    name: str
    box: Box


@dataclass(frozen=True, slots=True)
class Entry:
    """The moment in seconds of the clip at which any of a person is first visible.

    `ignored` if the person is ignored in every labelled picture: no counter needs to see it.
    """

    id: str
    at: float
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Labels:
    """All labels of a clip. `present` are the ids in its first judged picture.

    `entered` are those who come later, in order of time. `stretches` has, by part, the first and
    last frame number of the pictures to count identity switches in.
    """

    width: int
    height: int
    fps: float
    frames: int
    pictures: tuple[Picture, ...]
    furniture: tuple[Furniture, ...]
    present: tuple[str, ...]
    entered: tuple[Entry, ...]
    stretches: Mapping[str, tuple[int, int]]

    def part(self, name: str) -> tuple[Picture, ...]:
        """Return the pictures of "tuning" or "judging", in order."""
        return tuple(picture for picture in self.pictures if picture.part == name)

    def stretch(self, name: str) -> tuple[Picture, ...]:
        """Return the dense pictures of a part, in which identity switches are counted."""
        first, last = self.stretches[name]
        return tuple(p for p in self.part(name) if first <= p.number <= last)


@dataclass(frozen=True, slots=True)
class Match:
    """The outcome for one picture. Numbers are indices of the found boxes."""

    true_positives: tuple[tuple[int, Person], ...]
    false_positives: tuple[int, ...]
    missed: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Sums over pictures. Without people recall is 1; without boxes precision is 1."""

    true_positives: int
    false_positives: int
    missed: int

    @property
    def recall(self) -> float:
        """The share of people who were found, 0 to 1."""
        people = self.true_positives + self.missed
        return self.true_positives / people if people else 1.0

    @property
    def precision(self) -> float:
        """The share of found boxes that are people, 0 to 1."""
        found = self.true_positives + self.false_positives
        return self.true_positives / found if found else 1.0


def load(file: Path = FILE) -> Labels:
    """Read and check the labels. Raises `ValueError` with a sentence, `KeyError` or `OSError`."""
    data: dict[str, Any] = json.loads(file.read_text())
    width, height = data["size"]
    labels = Labels(
        width=width,
        height=height,
        fps=data["fps"],
        frames=data["frames"],
        pictures=tuple(_picture(row) for row in data["pictures"]),
        furniture=tuple(Furniture(row["name"], _box(row["box"])) for row in data["furniture"]),
        present=tuple(data["present"]),
        entered=tuple(
            Entry(row["id"], row["at"], row.get("ignore", False)) for row in data["entered"]
        ),
        stretches={name: (first, last) for name, (first, last) in data["stretches"].items()},
    )
    _check(labels)
    return labels


def iou(a: Box, b: Box) -> float:
    """Return the intersection of two boxes divided by their union, 0 to 1."""
    shared = _intersection(a, b)
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0


def match(found: Sequence[Box], picture: Picture, minimum: float = MATCH_IOU) -> Match:
    """Assign found boxes to the people of a picture, greedily by IoU.

    A second box on the same person is a false positive. A box without a partner is dropped if it
    covers an ignored person or if half of it or more lies on one.
    """
    wanted = [person for person in picture.people if not person.ignored]
    pairs = _greedy(
        [
            (iou(box, person.box), i, j)
            for i, box in enumerate(found)
            for j, person in enumerate(wanted)
        ],
        minimum,
    )
    ignored = [person.box for person in picture.people if person.ignored]
    return Match(
        true_positives=tuple((i, wanted[j]) for i, j in sorted(pairs.items())),
        false_positives=tuple(
            i
            for i, box in enumerate(found)
            if i not in pairs
            and not any(iou(box, b) >= minimum or _share(box, b) >= COVERED for b in ignored)
        ),
        missed=tuple(p for j, p in enumerate(wanted) if j not in pairs.values()),
    )


def recall_precision(matches: Iterable[Match]) -> Score:
    """Sum the outcomes of pictures."""
    rows = list(matches)
    return Score(
        sum(len(row.true_positives) for row in rows),
        sum(len(row.false_positives) for row in rows),
        sum(len(row.missed) for row in rows),
    )


def furniture_under(box: Box, furniture: Iterable[Furniture]) -> Furniture | None:
    """Return the furniture that a box lies on: half or more of the smaller area is shared.

    Ask it about false positives: people walk in front of furniture, too.
    """
    shares = [(max(_share(box, item.box), _share(item.box, box)), item) for item in furniture]
    share, item = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    return item if share >= COVERED else None


def identity_switches(stretch: Iterable[tuple[Picture, Mapping[int, Box]]]) -> int:
    """Count how often another track covers a labelled person than the last that did.

    Each picture, in order of time, comes with the tracks shown in it, by track id. A track that
    still covers its person keeps it; only the others are matched anew, greedily. Being lost in
    between is no switch, but coming back under a new track id is one.
    """
    last: dict[str, int] = {}
    switches = 0
    for picture, tracks in stretch:
        people = {person.id: person.box for person in picture.people if not person.ignored}
        kept = {
            name: track
            for name, track in last.items()
            if name in people and track in tracks and iou(tracks[track], people[name]) >= MATCH_IOU
        }
        names = [name for name in people if name not in kept]
        free = [track for track in tracks if track not in kept.values()]
        pairs = _greedy(
            [
                (iou(tracks[track], people[name]), i, j)
                for i, track in enumerate(free)
                for j, name in enumerate(names)
            ],
            MATCH_IOU,
        )
        for i, j in pairs.items():
            switches += last.get(names[j], free[i]) != free[i]
            last[names[j]] = free[i]
    return switches


def _greedy(candidates: list[tuple[float, int, int]], minimum: float) -> dict[int, int]:
    """Pair left with right indices, best overlap first, each at most once."""
    pairs: dict[int, int] = {}
    for overlap, left, right in sorted(candidates, key=lambda c: (-c[0], c[1], c[2])):
        if overlap < minimum:
            break
        if left not in pairs and right not in pairs.values():
            pairs[left] = right
    return pairs


def _intersection(a: Box, b: Box) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0


def _share(inner: Box, outer: Box) -> float:
    """Return how much of `inner` lies in `outer`, 0 to 1."""
    area = inner[2] * inner[3]
    return _intersection(inner, outer) / area if area > 0 else 0


def _picture(row: Mapping[str, Any]) -> Picture:
    people = tuple(
        Person(one["id"], _box(one["box"]), one.get("ignore", False)) for one in row["people"]
    )
    return Picture(row["number"], row["part"], people)


def _box(numbers: Sequence[float]) -> Box:
    x, y, width, height = numbers
    return x, y, width, height


def _check(labels: Labels) -> None:
    for before, after in pairwise(labels.pictures):
        if before.number >= after.number:
            raise ValueError(f"picture {after.number} is out of order")
    for first, second in pairwise(labels.entered):
        if first.at > second.at:
            raise ValueError(f"{second.id} entered before {first.id}, but is listed later")
    for picture in labels.pictures:
        where = f"picture {picture.number}"
        if picture.part not in PARTS:
            raise ValueError(f"{where} belongs to no part: {picture.part!r}")
        if not 0 <= picture.number < labels.frames:
            raise ValueError(f"{where} is not in the clip of {labels.frames} frames")
        if len({person.id for person in picture.people}) < len(picture.people):
            raise ValueError(f"{where} has an id twice")
        for person in picture.people:
            _check_box(person.box, labels, f"{person.id} in {where}")
    for item in labels.furniture:
        _check_box(item.box, labels, item.name)


def _check_box(box: Box, labels: Labels, name: str) -> None:
    x, y, width, height = box
    inside = 0 <= x and 0 <= y and x + width <= labels.width and y + height <= labels.height
    if width <= 0 or height <= 0 or not inside:
        raise ValueError(f"the box of {name} is empty or outside the picture: {list(box)}")
