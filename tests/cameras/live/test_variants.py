"""Allowed variants, demand, and the selection of frames."""

from __future__ import annotations

import itertools
import random

import pytest

from cameras.live.demand import EXPIRY_S, DemandTable, demand_packet, read_demand
from cameras.live.variants import Demand, Pace, UnknownValue, Variant, merge


@pytest.mark.parametrize(
    ("width", "fps", "expected"), [("320", "5", Variant(320, 5)), ("640", "10", Variant(640, 10))]
)
def test_variant_is_the_requested_one(width: str, fps: str, expected: Variant) -> None:
    assert Variant.from_query({"width": width, "fps": fps, "nocache": "1"}) == expected


@pytest.mark.parametrize("text", ["", "0", "500", "native", "-320", "5.5", " 5", "05", "9" * 99])
@pytest.mark.parametrize("name", ["width", "fps"])
def test_value_that_is_not_allowed_is_refused_by_its_name(name: str, text: str) -> None:
    with pytest.raises(UnknownValue, match=f"“{name}” must be .* or ") as error:
        Variant.from_query({name: text})
    assert error.value.field == name


def test_variant_is_native_by_default() -> None:
    assert Variant.from_query({}) == Variant(0, 0)


def test_demands_of_a_width_are_merged() -> None:
    demands = [
        Demand(320, 5, 2), Demand(320, 1, 1), Demand(0, 1, 1), Demand(320, 10, 4), Demand(0, 0, 1),
    ]  # fmt: skip
    assert merge(demands) == {320: Demand(320, 10, 7), 0: Demand(0, 0, 2)}


def test_demand_can_be_read_from_its_packet() -> None:
    demand = {"a": [Demand(320, 5, 2), Demand(0, 0, 1)], "b": []}
    assert read_demand(demand_packet(demand)) == demand


def test_demand_of_a_silent_process_expires() -> None:
    table = DemandTable()
    table.update("one", {"a": [Demand(0, 0, 1)]}, 100.0)
    table.update("other", {"a": [Demand(320, 5, 1)]}, 100.0 + EXPIRY_S)
    assert table.total(100.0 + EXPIRY_S) == {"a": [Demand(0, 0, 1), Demand(320, 5, 1)]}
    assert table.total(100.1 + EXPIRY_S) == {"a": [Demand(320, 5, 1)]}


@pytest.mark.parametrize("fps", [1, 5, 10])
@pytest.mark.parametrize("source", [10, 15, 25, 30])
def test_frames_are_selected_evenly_despite_jitter(source: int, fps: int) -> None:
    pace, chance = Pace(fps), random.Random(7)
    times = [int(n * 1000 / source + chance.uniform(0, 400 / source)) for n in range(source * 20)]
    selected = [at for at in times if pace.takes(at)]
    assert abs(len(selected) - 20 * fps) <= 20 * fps * 0.05 + 1
    gaps = [later - earlier for earlier, later in itertools.pairwise(selected)]
    assert max(gaps) <= 1000 / fps + 2.5 * 1000 / source
