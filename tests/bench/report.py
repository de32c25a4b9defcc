"""The figures as a table and as JSON, and the performance bounds that they must keep."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.contestants import CONTESTANTS
from tests.bench.rounds import Figures
from tests.bench.scenarios import Scenario

HEAD = (
    f"{'':34} {'CPU ms per':>11} {'times':>7} {'frames':>8} {'deliv-':>7} {'p50':>7} {'p99':>7}"
    f" {'RSS':>6} {'grew':>6} {'core':>5} {'load':>5}\n"
    f"{'':34} {'1000 frames':>11} {'ours':>7} {'a second':>8} {'ered':>7} {'ms':>7} {'ms':>7}"
    f" {'MB':>6} {'MB':>6} {'busy':>5} {'busy':>5}"
)

All = dict[str, dict[str, Figures]]  # by scenario, by contestant


@dataclass(frozen=True, slots=True)
class Bound:
    """A performance bound, and whether the figures keep it."""

    what: str
    figure: float
    bound: float
    kept: bool

    def __str__(self) -> str:
        verdict = "kept" if self.kept else "MISSED"
        return f"{self.what:58} {self.figure:8.2f}   bound {self.bound:6.2f}   {verdict}"


def table(scenario: Scenario, results: dict[str, Figures], without: dict[str, str]) -> str:
    """Return one scenario's table; contestants without figures have the reason instead."""
    lines = [scenario.title, HEAD]
    lines += [_line(CONTESTANTS[name].title, figures) for name, figures in results.items()]
    lines += [f"{CONTESTANTS[name].title:34} {why}" for name, why in without.items()]
    return "\n".join(lines)


def _line(title: str, f: Figures) -> str:
    ratio = f"{f.ratio:7.2f}" if f.ratio is not None else " " * 7
    line = (
        f"{title:34} {f.cpu_ms:11.1f} {ratio} {f.rate:8.0f} {f.delivered:7.2%} {f.p50:7.1f}"
        f" {f.p99:7.1f} {f.rss:6.0f} {f.growth:6.1f} {f.busy:5.0%} {f.load_busy:5.0%}"
    )
    if f.age_p95 is not None:
        line += f"  slow ones' picture age p95 {f.age_p95:.0f} ms"
    return line + (f"  {f.closed:.0f} connections were lost" if f.closed else "")


def bounds(results: All) -> list[Bound]:
    """Return the bounds that can be checked with these figures."""
    found: list[Bound] = []

    def most(what: str, figure: float | None, bound: float) -> None:
        if figure is not None:
            found.append(Bound(what, figure, bound, figure <= bound))

    def least(what: str, figure: float | None, bound: float) -> None:
        if figure is not None:
            found.append(Bound(what, figure, bound, figure >= bound))

    for name, factor in (("100", 11), ("saturated", 13)):
        rows = results.get(name, {})
        least(f"{name}: naive (pub/sub) over ours", _ratio(rows, "naive-pubsub"), factor)
        peers = [_ratio(rows, peer) for peer in ("websockets", "ws", "picows")]
        best = min((ratio for ratio in peers if ratio), default=None)
        most(f"{name}: ours over the best peer", 1 / best if best else None, 1.05)
        least(f"{name}: C loop over ours", _ratio(rows, "c"), 0.8)
        least(f"{name}: C loop over ours, binary", _ratio(rows, "c-binary"), 0.6)
    for ours in ("ours", "ours-binary"):
        few, many = results.get("100", {}).get(ours), results.get("1000", {}).get(ours)
        if few and many:
            most(f"1000 over 100 viewers, {ours}", many.cpu_ms / few.cpu_ms, 1.1)
        for name, rows in results.items():
            if name != "saturated" and ours in rows and rows[ours].busy < 0.7:
                most(f"{name}: p99 of {ours}, ms", rows[ours].p99, 15)
        alone, beside = results.get("alone", {}).get(ours), results.get("stalled", {}).get(ours)
        if beside:
            most(f"stalled: growth of {ours}, MB", beside.growth, 5)
            most(f"stalled: frames that healthy viewers of {ours} lost", beside.lost, 0)
        if alone and beside:
            most(f"stalled: p99 over that alone, {ours}", beside.p99 / alone.p99, 1.2)
        slow = results.get("slow", {}).get(ours)
        if slow:
            most(f"slow: picture age p95 of {ours}, ms", slow.age_p95, 500)
    return found


def _ratio(rows: dict[str, Figures], name: str) -> float | None:
    return rows[name].ratio if name in rows else None


def as_json(
    results: All, absent: dict[str, dict[str, str]], checked_bounds: list[Bound]
) -> dict[str, Any]:
    """Return the figures by scenario and contestant, and the bounds, for JSON."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "scenarios": {
            name: {who: asdict(figures) for who, figures in rows.items()}
            for name, rows in results.items()
        },
        "absent": {name: why for name, why in absent.items() if why},
        "bounds": [asdict(bound) for bound in checked_bounds],
    }
