"""`python -m tests.lanes LANE…`: run lanes of the suite, which docs/testing.md describes.

Each lane ends with a table of what it cost, and the run with one line: passed, failed, minutes.
With `--budget`, the behaviour lane fails if it costs over 30 % more than pyproject.toml allows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from tests import ROOT, prepared
from tests.calibration import Calibration
from tests.processes import bound, die_with_parent

TOLERANCE = 1.3
_ELSEWHERE = "not timing and not soak and not bench"


@dataclass(frozen=True, slots=True)
class Lane:
    """Which tests, by their markers, in how many processes; `limit`: seconds for each test."""

    says: str
    markers: str
    workers: int = 0
    limit: int = 120
    postgres: bool = False


CORES = len(os.sched_getaffinity(0))
LANES = {
    "behaviour": Lane("Behaviour", f"not extended and {_ELSEWHERE}", 3 * CORES),
    "extended": Lane("The rest of behaviour", f"extended and {_ELSEWHERE}", 2 * CORES),
    "timing": Lane("Durations and rates, one after the other", "timing and not soak and not bench"),
    "postgres": Lane(
        "What can differ on PostgreSQL", f"postgres and {_ELSEWHERE}", 2 * CORES, postgres=True
    ),
    "soak": Lane("Long versions", "soak", limit=1800),
}


def is_over(cost: float, budget: float) -> bool:
    """Whether a lane cost too much; both in calibrations."""
    return cost > budget * TOLERANCE


def say(line: str) -> None:
    print(f"\n== {line}", flush=True)


def call(command: list[str]) -> int:
    """Run it; after Ctrl-C it has half a minute to clean up and to say how far it came."""
    process = subprocess.Popen(bound(*command), cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait(30)
        raise


def node_tests() -> Counter[str]:
    """The tests of the scripts that browsers run. Prints only what failed."""
    say("Scripts in Node")
    files = sorted(str(path) for path in (ROOT / "tests" / "js").rglob("*.test.js"))
    done = subprocess.run(
        bound("node", "--test", "--test-reporter=tap", *files),
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    told = dict(re.findall(r"^# (pass|fail) (\d+)$", done.stdout, re.MULTILINE))
    counts = Counter(passed=int(told.get("pass", 0)), failed=int(told.get("fail", 0)))
    if done.returncode or not counts["passed"]:
        print(done.stdout)
        counts["failed"] = counts["failed"] or 1
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return counts


def run(lane: Lane, budget: float | None) -> Counter[str]:
    """How many tests passed and failed."""
    say(lane.says)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "meter.json")
        workers = ["-n", str(lane.workers), "--no-loadscope-reorder"] if lane.workers else []
        command = [
            sys.executable, "-m", "pytest", "-q", "-m", lane.markers, *workers,
            "--timeout", str(lane.limit), "--meter", str(file),
        ]  # fmt: skip
        if lane.postgres:
            command = [sys.executable, "-m", "tests.with_postgres", *command]
        # What asserts durations runs alone: no calibration beside it.
        with Calibration(meanwhile=bool(lane.workers)) as calibration:
            status = call(command)
        if not file.exists():
            return Counter(failed=1)
        told = json.loads(file.read_text())
    counts = Counter[str](told["outcomes"])
    if status and not counts["failed"]:
        counts["failed"] = 1  # pytest itself
    cost = sum(cpu for _, cpu, _, _ in told["rows"]) / calibration.seconds
    runs = ", ".join(f"{seconds:.2f}" for seconds in calibration.runs)
    print(f"{cost:.0f} calibrations (their CPU s: {runs})")
    if budget is not None and is_over(cost, budget):
        print(f"That is over the budget of {budget:.0f} by more than {TOLERANCE - 1:.0%}.")
        counts["failed"] += 1
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lanes", nargs="+", choices=LANES)
    parser.add_argument("--budget", action="store_true")
    parser.add_argument("--workers", type=int, help="processes of a parallel lane")
    parser.add_argument("--since", type=float, default=time.time(), help="unix time of the start")
    given = parser.parse_args()
    if "MAKELEVEL" in os.environ:
        die_with_parent(os.getppid())  # make
    with (ROOT / "pyproject.toml").open("rb") as file:
        budget = float(tomllib.load(file)["tool"]["sideline"]["suite"]["budget"])
    counts = Counter[str]()
    if "behaviour" in given.lanes:
        counts += node_tests()
    say("Static files, tables, the rows of a first start")
    prepared.everything()
    for name in given.lanes:
        limit = budget if given.budget and name == "behaviour" else None
        lane = LANES[name]
        if given.workers and lane.workers:
            lane = replace(lane, workers=given.workers)
        counts += run(lane, limit)
    minutes = (time.time() - given.since) / 60
    verdict = "Failed" if counts["failed"] else "Passed"
    say(f"{verdict}: {counts['passed']} passed, {counts['failed']} failed, {minutes:.1f} minutes")
    return bool(counts["failed"])


if __name__ == "__main__":
    sys.exit(main())
