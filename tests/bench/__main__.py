"""Benchmark of the cost of a delivered frame: `python -m tests.bench`, or `make bench`.

Each server runs on one core, everything else on the other. CPU is read from the process's own
clock, delays from one clock in the load generator. `scenarios.py` says what is measured,
`contestants.py` which servers are compared, `rounds.py` what the figures mean.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.bench.arena import Arena
from tests.bench.contestants import CONTESTANTS
from tests.bench.report import All, as_json, bounds, table
from tests.bench.rounds import run_rounds
from tests.bench.scenarios import SCENARIOS, contestants


def _names(known: dict[str, Any]) -> Any:
    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name}: known are {', '.join(known)}")
        return names

    return read


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--only", type=_names(CONTESTANTS), default=[], metavar="ours,c,…")
    parser.add_argument(
        "--scenarios", type=_names(SCENARIOS), default=list(SCENARIOS), metavar="100,saturated,…"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="measured in each run")
    parser.add_argument("--window", type=int, default=2, help="frames under way when saturated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if (os.cpu_count() or 1) < 2:
        sys.exit("The benchmark needs two cores: one for the server, one for everything else.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all processes are stopped
    figures: All = {}
    absent: dict[str, dict[str, str]] = {}
    with Arena() as arena:
        for name in options.scenarios:
            scenario = SCENARIOS[name]
            figures[name], absent[name] = run_rounds(
                arena, scenario, contestants(scenario, options.only), options.rounds,
                options.seconds, options.window, _show_progress,
            )  # fmt: skip
            _show_progress("")
            print(table(scenario, figures[name], absent[name]), end="\n\n", flush=True)
    checked_bounds = bounds(figures)
    print("\n".join(map(str, checked_bounds)))
    if options.json:
        facts = {"rounds": options.rounds, "seconds": options.seconds, "window": options.window}
        options.json.write_text(
            json.dumps(facts | as_json(figures, absent, checked_bounds), indent=1) + "\n"
        )


def _show_progress(text: str) -> None:
    """Show progress in one line, if standard error is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
