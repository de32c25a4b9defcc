"""Labels of the demo clip, and what a detector is judged by."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from tests.media.labels import (
    FILE,
    PARTS,
    Box,
    Labels,
    Match,
    Person,
    Picture,
    Score,
    furniture_under,
    identity_switches,
    iou,
    load,
    match,
    recall_precision,
)
from tests.servers import PLAZA

ANNA, BEN = (10.0, 10.0, 20.0, 60.0), (100.0, 10.0, 20.0, 60.0)
NOBODY = (300.0, 10.0, 20.0, 60.0)


@pytest.fixture(scope="module")
def labels() -> Labels:
    return load()


def picture(*people: Person, number: int = 0) -> Picture:
    return Picture(number, "tuning", people)


def people(anna: Box = ANNA, ben: Box = BEN, number: int = 0) -> Picture:
    return picture(Person("anna", anna), Person("ben", ben), number=number)


def test_labels_are_of_the_demo_clip(labels: Labels) -> None:
    with av.open(str(PLAZA)) as clip:
        video = clip.streams.video[0]
        assert video.average_rate is not None
        assert (video.width, video.height) == (labels.width, labels.height)
        assert float(video.average_rate) == labels.fps
        assert video.frames == labels.frames


@pytest.mark.parametrize(("part", "first", "last"), [("tuning", 0, 40), ("judging", 45, 79.5)])
def test_each_part_has_forty_even_pictures(
    labels: Labels, part: str, first: float, last: float
) -> None:
    times = [p.number / labels.fps for p in labels.part(part)]
    assert len(times) >= 40
    assert first <= times[0] < first + 1
    assert last - 1 <= times[-1] < last
    assert all(after - before <= 1 for before, after in pairwise(times))


@pytest.mark.parametrize("part", PARTS)
def test_stretch_is_dense_enough_to_count_identity_switches(labels: Labels, part: str) -> None:
    numbers = [p.number for p in labels.stretch(part)]
    assert len(numbers) >= 12
    assert (numbers[0], numbers[-1]) == labels.stretches[part]
    assert {b - a for a, b in pairwise(numbers)} == {4}


def test_everybody_judged_was_present_or_entered(labels: Labels) -> None:
    entered = {entry.id: entry.at for entry in labels.entered}
    first = {person.id: p.number for p in reversed(labels.part("judging")) for person in p.people}
    assert not entered.keys() & set(labels.present)
    assert first.keys() <= entered.keys() | set(labels.present)
    for name, number in first.items():
        assert number / labels.fps >= entered.get(name, 45)
    assert {p.id for p in labels.part("judging")[0].people} == set(labels.present)
    seen = {p.id for row in labels.part("judging") for p in row.people if not p.ignored}
    assert seen == set(labels.present) | {entry.id for entry in labels.entered if not entry.ignored}


def test_people_of_one_part_are_not_of_the_other(labels: Labels) -> None:
    tuning, judging = ({p.id for row in labels.part(part) for p in row.people} for part in PARTS)
    assert not tuning & judging


def test_labels_themselves_score_one(labels: Labels) -> None:
    for part in PARTS:
        rows = labels.part(part)
        score = recall_precision(match([p.box for p in row.people], row) for row in rows)
        assert (score.recall, score.precision) == (1, 1)
        ids = sorted({p.id for row in rows for p in row.people})
        tracks = [
            (row, {ids.index(p.id): p.box for p in row.people}) for row in labels.stretch(part)
        ]
        assert identity_switches(tracks) == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"number": 795}, "picture 795 is not in the clip of 795 frames"),
        ({"part": "other"}, "belongs to no part: 'other'"),
        ({"people": [{"id": "A", "box": [760, 0, 9, 50]}]}, "box of A .* outside the picture"),
        ({"people": [{"id": "A", "box": [5, 0, 0, 50]}]}, "box of A .* is empty or outside"),
        ({"people": [{"id": "A", "box": [0, 0, 9, 9]}] * 2}, "has an id twice"),
    ],
)
def test_wrong_label_is_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    data = json.loads(FILE.read_text())
    data["pictures"][-1] |= change
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=sentence):
        load(wrong)


def test_iou_of_boxes() -> None:
    assert iou(ANNA, ANNA) == 1
    assert iou(ANNA, BEN) == 0
    assert iou((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_found_wrong_and_missed_are_told_apart() -> None:
    near = (12.0, 12.0, 20.0, 60.0)
    outcome = match([NOBODY, near], people())
    assert outcome == Match(((1, Person("anna", ANNA)),), (0,), (Person("ben", BEN),))


def test_box_with_too_little_overlap_is_wrong_and_its_person_missed() -> None:
    beside = (20.0, 10.0, 20.0, 60.0)  # IoU 1/3
    assert match([beside], picture(Person("anna", ANNA))).false_positives == (0,)
    assert match([beside], picture(Person("anna", ANNA)), minimum=0.3).false_positives == ()


def test_second_box_on_a_person_is_wrong() -> None:
    outcome = match([(12.0, 12.0, 20.0, 60.0), ANNA], picture(Person("anna", ANNA)))
    assert [i for i, _ in outcome.true_positives] == [1]  # the better one
    assert outcome.false_positives == (0,)


def test_overlapping_people_get_the_best_pairs() -> None:
    ben = (14.0, 10.0, 20.0, 60.0)
    outcome = match([ben, ANNA], people(ben=ben))
    assert {i: person.id for i, person in outcome.true_positives} == {0: "ben", 1: "anna"}


def test_ignored_person_is_neither_missed_nor_wrong() -> None:
    hidden = picture(Person("anna", ANNA, ignored=True))
    legs = (11.0, 50.0, 18.0, 20.0)
    assert match([], hidden) == match([ANNA], hidden) == match([legs], hidden) == Match((), (), ())
    assert match([BEN], hidden).false_positives == (0,)


def test_ignored_person_takes_no_box_from_another() -> None:
    both = picture(Person("anna", ANNA, ignored=True), Person("ben", (14.0, 10.0, 20.0, 60.0)))
    assert [person.id for _, person in match([ANNA], both).true_positives] == ["ben"]


def test_recall_and_precision_are_sums_over_pictures() -> None:
    score = recall_precision([match([ANNA, BEN, NOBODY], people()), match([ANNA], people())])
    assert score == Score(true_positives=3, false_positives=1, missed=1)
    assert (score.recall, score.precision) == (0.75, 0.75)


def test_empty_pictures_have_nothing_missed_and_nothing_wrong() -> None:
    assert (Score(0, 0, 0).recall, Score(0, 0, 0).precision) == (1, 1)
    assert (Score(0, 2, 3).recall, Score(0, 2, 3).precision) == (0, 0)


def test_false_positive_on_furniture_is_named(labels: Labels) -> None:
    cone = labels.furniture[2]
    x, y, width, height = cone.box
    assert furniture_under(cone.box, labels.furniture) == cone
    assert furniture_under((x - 4, y - 8, width + 8, height + 8), labels.furniture) == cone
    assert furniture_under((x - 40, y - 90, 40, 90), labels.furniture) is None
    assert furniture_under(cone.box, []) is None


def test_new_track_on_a_person_is_a_switch() -> None:
    row = people()
    steady = [(row, {1: ANNA, 2: BEN})] * 3
    assert identity_switches(steady) == 0
    assert identity_switches([*steady, (row, {3: ANNA, 2: BEN})]) == 1
    assert identity_switches([*steady, (row, {2: ANNA, 1: BEN})]) == 2


def test_lost_person_is_a_switch_only_under_a_new_track() -> None:
    row = people()
    assert identity_switches([(row, {1: ANNA}), (row, {}), (row, {1: ANNA})]) == 0
    assert identity_switches([(row, {1: ANNA}), (row, {}), (row, {2: ANNA})]) == 1


def test_track_keeps_its_person_while_another_overlaps_it_better() -> None:
    near = (13.0, 12.0, 20.0, 60.0)
    alone = picture(Person("anna", ANNA))
    assert identity_switches([(alone, {1: ANNA}), (alone, {1: near, 2: ANNA})]) == 0


def test_identity_is_not_counted_where_a_person_is_ignored() -> None:
    hidden = picture(Person("anna", ANNA, ignored=True))
    seen = picture(Person("anna", ANNA))
    assert identity_switches([(seen, {1: ANNA}), (hidden, {2: ANNA}), (seen, {1: ANNA})]) == 0
