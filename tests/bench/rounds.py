"""Alternating runs: in each round every contestant once, so that what drifts drifts for all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tests.bench.arena import Arena
from tests.bench.contestants import Contestant
from tests.bench.crowd import Failed, Seen, Watching, watch
from tests.bench.scenarios import Scenario

WARMUP = 1.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the rounds of one contestant in one scenario.

    `cpu_ms` is per 1000 delivered frames, over all viewers; `ratio` is that cost over the cost of
    ours (same format, same round). `age_p95` is of the slow viewers' pictures; the other delays and
    counts are of the healthy ones. Milliseconds, MB; `busy` and `load_busy` are shares of the two
    cores. `runs` are the rounds that succeeded.
    """

    runs: int
    cpu_ms: float
    ratio: float | None
    rate: float
    delivered: float
    lost: float
    p50: float
    p99: float
    max: float
    age_p95: float | None
    rss: float
    growth: float
    busy: float
    load_busy: float
    closed: float


def play(
    arena: Arena,
    scenario: Scenario,
    field: list[Contestant],
    rounds: int,
    seconds: float,
    window: int,
    tell: Callable[[str], None],
) -> tuple[dict[str, Figures], dict[str, str]]:
    """Figures by contestant, and why the others have none."""
    without = {each.name: scenario.beyond(each) for each in field if scenario.beyond(each)}
    seen: list[dict[str, Seen]] = []
    for number in range(rounds):
        seen.append({})
        for contestant in field:
            if contestant.name in without:
                continue
            tell(f"{scenario.name}: round {number + 1} of {rounds}, {contestant.name}")
            how = Watching(
                scenario.groups, scenario.fps, max(seconds, scenario.seconds), WARMUP,
                contestant.binary, contestant.acks, scenario.slow_bytes(contestant), window,
            )  # fmt: skip
            try:
                with contestant.start(arena) as standing:
                    seen[-1][contestant.name] = watch(
                        how, standing.pid, standing.ticks, standing.address
                    )
            except (Failed, AssertionError, OSError) as error:
                print(f"{scenario.name}, {contestant.name}: {error}", file=sys.stderr)
    made = {}
    for contestant in field:
        runs = [each for each in seen if contestant.name in each]
        if runs:
            made[contestant.name] = _figures(contestant, runs)
        elif contestant.name not in without:
            without[contestant.name] = "failed in every round"
    return made, without


def _figures(contestant: Contestant, rounds: list[dict[str, Seen]]) -> Figures:
    runs = [each[contestant.name] for each in rounds]
    healthy = [run.classes["healthy"] for run in runs]
    ratios = [
        _cpu_per_frame(each[contestant.name]) / _cpu_per_frame(each[contestant.rival])
        for each in rounds
        if contestant.rival in each
    ]
    slow = [run.classes["slow"]["p95"] for run in runs if "slow" in run.classes]
    return Figures(
        runs=len(runs),
        cpu_ms=median(_cpu_per_frame(run) * 1e6 for run in runs),
        ratio=median(ratios) if ratios else None,
        rate=median(run.delivered / (run.span or run.seconds) for run in runs),
        delivered=median(seen["delivered"] / max(seen["offered"], 1) for seen in healthy),
        lost=median(seen["offered"] - seen["delivered"] for seen in healthy),
        p50=median(seen["p50"] for seen in healthy),
        p99=median(seen["p99"] for seen in healthy),
        max=max(seen["max"] for seen in healthy),
        age_p95=median(slow) if slow else None,
        rss=median(run.rss_peak for run in runs) / 1e6,
        growth=median(run.rss_after - run.rss_before for run in runs) / 1e6,
        busy=median(run.cpu / run.seconds for run in runs),
        load_busy=median(run.load_busy for run in runs),
        closed=sum(sum(seen["closed"] for seen in run.classes.values()) for run in runs),
    )


def _cpu_per_frame(seen: Seen) -> float:
    """Seconds."""
    return seen.cpu / max(seen.delivered, 1)
