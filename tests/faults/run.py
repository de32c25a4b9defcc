"""Plays faults on one stand, and collects the table and the broken promises."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.faults.faults import Fault
from tests.faults.play import Crew, Outcome, play
from tests.faults.stand import Stand
from tests.faults.table import HEAD, broken_promises, row


def run(faults: Sequence[Fault], rounds: int, patience_s: float = 0.0) -> tuple[str, list[str]]:
    """Play each fault in each round. Return the table in Markdown, and a line per broken promise.

    Durations may be `patience_s` longer than promised. Raises `NoSmallDisk`, and `AssertionError`
    if the installation does not recover from a fault.
    """
    outcomes: dict[str, list[Outcome]] = {fault.name: [] for fault in faults}
    broken: list[str] = []
    with Stand() as stand, Crew(stand) as crew:
        for number in range(rounds):
            for fault in faults:
                print(f"Round {number + 1}, {fault.name}", file=sys.stderr, flush=True)
                outcome = play(crew, fault, number)
                outcomes[fault.name].append(outcome)
                found = broken_promises(fault, outcome, patience_s)
                broken += [f"{fault.name}: {each}" for each in found]
    table = "\n".join([HEAD, *(row(fault, outcomes[fault.name]) for fault in faults)])
    return table, broken
