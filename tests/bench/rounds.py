"""Alternating runs: each round measures every contestant once, so that drift affects all alike."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tests.bench.arena import Arena
from tests.bench.contestants import Contestant
from tests.bench.crowd import LoadFailed, LoadOptions, Measurement, measure
from tests.bench.scenarios import Scenario

WARMUP = 1.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the rounds of one contestant in one scenario.

    `cpu_ms` is per 1000 delivered frames, over all viewers; `ratio` is that cost divided by the
    cost of ours (same format, same round). `age_p95` is of the slow viewers' pictures; the other
    delays and counts are of the healthy ones. Milliseconds, MB; `busy` and `load_busy` are shares
    of the two cores. `runs` is the number of successful rounds.
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


def run_rounds(
    arena: Arena,
    scenario: Scenario,
    field: list[Contestant],
    rounds: int,
    seconds: float,
    window: int,
    on_progress: Callable[[str], None],
) -> tuple[dict[str, Figures], dict[str, str]]:
    """Return figures by contestant, and the reason for each contestant without figures."""
    without = {each.name: reason for each in field if (reason := scenario.reason_to_skip(each))}
    seen: list[dict[str, Measurement]] = []
    for number in range(rounds):
        seen.append({})
        for contestant in field:
            if contestant.name in without:
                continue
            on_progress(f"{scenario.name}: round {number + 1} of {rounds}, {contestant.name}")
            how = LoadOptions(
                scenario.groups, scenario.fps, max(seconds, scenario.seconds), WARMUP,
                contestant.binary, contestant.acks, scenario.slow_bytes(contestant), window,
            )  # fmt: skip
            try:
                with contestant.start(arena) as server:
                    seen[-1][contestant.name] = measure(
                        how, server.pid, server.ticks, server.address
                    )
            except (LoadFailed, AssertionError, OSError) as error:
                print(f"{scenario.name}, {contestant.name}: {error}", file=sys.stderr)
    results = {}
    for contestant in field:
        runs = [each for each in seen if contestant.name in each]
        if runs:
            results[contestant.name] = _figures(contestant, runs)
        elif contestant.name not in without:
            without[contestant.name] = "failed in every round"
    return results, without


def _figures(contestant: Contestant, rounds: list[dict[str, Measurement]]) -> Figures:
    runs = [each[contestant.name] for each in rounds]
    healthy = [run.classes["healthy"] for run in runs]
    ratios = [
        _cpu_per_frame(each[contestant.name]) / _cpu_per_frame(each[contestant.baseline])
        for each in rounds
        if contestant.baseline in each
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


def _cpu_per_frame(seen: Measurement) -> float:
    """Return the CPU seconds per delivered frame."""
    return seen.cpu / max(seen.delivered, 1)
