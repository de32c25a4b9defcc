"""What may be asked for, what is wished of ingest, and how frames are picked."""

from __future__ import annotations

import itertools
import random

import pytest

from cameras.live.demand import LIFE_S, Ledger, read_wishes, wishes_packet
from cameras.live.variants import Pace, Variant, Wish, combined


@pytest.mark.parametrize(
    ("width", "fps", "expected"),
    [
        ("320", "5", Variant(320, 5)),
        ("640", "10", Variant(640, 10)),
        ("500", "7", Variant(320, 5)),
        ("4000", "60", Variant(640, 10)),
        ("10", "0", Variant(320, 1)),
        ("native", "native", Variant()),
        ("-320", "5.5", Variant()),
        ("", "9999999999", Variant()),
        ("³²⁰", "١", Variant()),
    ],
)
def test_never_heavier_than_asked_for(width: str, fps: str, expected: Variant) -> None:
    assert Variant.asked({"width": width, "fps": fps}) == expected


def test_nothing_asked_is_native() -> None:
    assert Variant.asked({}) == Variant(0, 0)


def test_wishes_of_a_width_come_to_one() -> None:
    wishes = [Wish(320, 5, 2), Wish(320, 1, 1), Wish(0, 1, 1), Wish(320, 10, 4), Wish(0, 0, 1)]
    assert combined(wishes) == {320: Wish(320, 10, 7), 0: Wish(0, 0, 2)}


def test_wishes_survive_the_way() -> None:
    wishes = {"a": [Wish(320, 5, 2), Wish(0, 0, 1)], "b": []}
    assert read_wishes(wishes_packet(wishes)) == wishes


def test_wishes_of_a_process_that_fell_silent_end() -> None:
    ledger = Ledger()
    ledger.note("one", {"a": [Wish(0, 0, 1)]}, 100.0)
    ledger.note("other", {"a": [Wish(320, 5, 1)]}, 100.0 + LIFE_S)
    assert ledger.total(100.0 + LIFE_S) == {"a": [Wish(0, 0, 1), Wish(320, 5, 1)]}
    assert ledger.total(100.1 + LIFE_S) == {"a": [Wish(320, 5, 1)]}


@pytest.mark.parametrize("fps", [1, 5, 10])
@pytest.mark.parametrize("source", [10, 15, 25, 30])
def test_pace_is_kept_evenly_whatever_the_jitter(source: int, fps: int) -> None:
    pace, chance = Pace(fps), random.Random(7)
    times = [int(n * 1000 / source + chance.uniform(0, 400 / source)) for n in range(source * 20)]
    taken = [at for at in times if pace.takes(at)]
    assert abs(len(taken) - 20 * fps) <= 20 * fps * 0.05 + 1
    gaps = [later - earlier for earlier, later in itertools.pairwise(taken)]
    assert max(gaps) <= 1000 / fps + 2.5 * 1000 / source
