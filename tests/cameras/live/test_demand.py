"""The demand of several web processes, and what is new in it."""

from __future__ import annotations

from cameras.live.demand import EXPIRY_S, DemandTable
from cameras.live.variants import Demand

NATIVE, SMALL = Demand(0, 0, 1), Demand(320, 5, 1)


def test_width_is_new_to_every_process_that_did_not_want_it_before() -> None:
    table = DemandTable()
    assert table.update("first", {"c": [NATIVE]}, 0.0) == {("c", 0)}
    assert table.update("second", {"c": [NATIVE]}, 0.1) == {("c", 0)}
    assert table.update("second", {"c": [NATIVE, SMALL]}, 0.2) == {("c", 320)}
    assert table.update("first", {"c": [NATIVE]}, 2.0) == set(), "the same demand again"
    assert table.total(2.0) == {"c": [Demand(0, 0, 2), SMALL]}


def test_width_is_new_again_after_the_demand_expired() -> None:
    table = DemandTable()
    table.update("first", {"c": [NATIVE]}, 0.0)
    assert table.total(EXPIRY_S + 0.1) == {}
    assert table.update("first", {"c": [NATIVE]}, EXPIRY_S + 0.2) == {("c", 0)}
