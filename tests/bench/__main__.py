"""What a delivered frame costs: `python -m tests.bench`, or `make bench`.

Every server gets one core, everything else the other. CPU is read from the process's own clock,
delays from one clock in the load generator. See `scenarios.py` and `contestants.py` for who and
what, `rounds.py` for what the figures mean.
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
from tests.bench.rounds import play
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
    """What was asked for."""
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
    asked = arguments()
    if (os.cpu_count() or 1) < 2:
        sys.exit("The benchmark needs two cores: one for the server, one for everything else.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # everything started is ended
    made: All = {}
    absent: dict[str, dict[str, str]] = {}
    with Arena() as arena:
        for name in asked.scenarios:
            scenario = SCENARIOS[name]
            made[name], absent[name] = play(
                arena, scenario, contestants(scenario, asked.only), asked.rounds, asked.seconds,
                asked.window, _tell,
            )  # fmt: skip
            _tell("")
            print(table(scenario, made[name], absent[name]), end="\n\n", flush=True)
    judged = bounds(made)
    print("\n".join(map(str, judged)))
    if asked.json:
        facts = {"rounds": asked.rounds, "seconds": asked.seconds, "window": asked.window}
        asked.json.write_text(json.dumps(facts | as_json(made, absent, judged), indent=1) + "\n")


def _tell(text: str) -> None:
    """Progress, on the line that a terminal has for it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
