"""What several web processes wish, and what is new to each of them."""

from __future__ import annotations

from cameras.live.demand import LIFE_S, Ledger
from cameras.live.variants import Wish

NATIVE, SMALL = Wish(0, 0, 1), Wish(320, 5, 1)


def test_width_is_new_to_every_process_that_had_not_wished_it() -> None:
    ledger = Ledger()
    assert ledger.note("first", {"c": [NATIVE]}, 0.0) == {("c", 0)}
    assert ledger.note("second", {"c": [NATIVE]}, 0.1) == {("c", 0)}
    assert ledger.note("second", {"c": [NATIVE, SMALL]}, 0.2) == {("c", 320)}
    assert ledger.note("first", {"c": [NATIVE]}, 2.0) == set(), "it only repeats itself"
    assert ledger.total(2.0) == {"c": [Wish(0, 0, 2), SMALL]}


def test_process_that_was_silent_for_too_long_has_nothing_any_more() -> None:
    ledger = Ledger()
    ledger.note("first", {"c": [NATIVE]}, 0.0)
    assert ledger.total(LIFE_S + 0.1) == {}
    assert ledger.note("first", {"c": [NATIVE]}, LIFE_S + 0.2) == {("c", 0)}
