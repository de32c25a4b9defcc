"""`python -m tests.lanes LANE…`: run lanes of the suite; see docs/testing.md.

Each lane prints a table of its costs; the last line has passed, failed and minutes. With
`--budget`, the behaviour lane fails if it costs over 30 % more than pyproject.toml allows.
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
from tests.processes import die_with_parent, killed_with_parent

TOLERANCE = 1.3
_NOT_OTHER_LANES = "not timing and not soak and not bench"


@dataclass(frozen=True, slots=True)
class Lane:
    """Tests by marker expression, number of worker processes, and `limit` (s) per test."""

    title: str
    markers: str
    workers: int = 0
    limit: int = 120
    postgres: bool = False


CORES = len(os.sched_getaffinity(0))
LANES = {
    "behaviour": Lane("Behaviour", f"not extended and {_NOT_OTHER_LANES}", 3 * CORES),
    "extended": Lane("The rest of behaviour", f"extended and {_NOT_OTHER_LANES}", 2 * CORES),
    "timing": Lane("Durations and rates, one after the other", "timing and not soak and not bench"),
    "postgres": Lane(
        "What can differ on PostgreSQL",
        f"postgres and {_NOT_OTHER_LANES}",
        2 * CORES,
        postgres=True,
    ),
    "soak": Lane("Long versions", "soak", limit=1800),
}


def is_over(cost: float, budget: float) -> bool:
    """True if the cost exceeds the budget by more than the tolerance. Both in calibrations."""
    return cost > budget * TOLERANCE


def say(line: str) -> None:
    print(f"\n== {line}", flush=True)


def call(command: list[str]) -> int:
    """Run a command; return its status. After Ctrl-C it has 30 s to clean up and report."""
    process = subprocess.Popen(killed_with_parent(*command), cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait(30)
        raise


def node_tests() -> Counter[str]:
    """Run the tests of browser scripts. Print their output only if one fails."""
    say("Scripts in Node")
    files = sorted(str(path) for path in (ROOT / "tests" / "js").rglob("*.test.js"))
    done = subprocess.run(
        killed_with_parent(
            "node", "--import", "./tests/js/node18.js", "--test", "--test-reporter=tap", *files
        ),
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    totals = dict(re.findall(r"^# (pass|fail) (\d+)$", done.stdout, re.MULTILINE))
    counts = Counter(passed=int(totals.get("pass", 0)), failed=int(totals.get("fail", 0)))
    if done.returncode or not counts["passed"]:
        print(done.stdout)
        counts["failed"] = counts["failed"] or 1
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return counts


def run(lane: Lane, budget: float | None) -> Counter[str]:
    """Run a lane; return the numbers of passed and failed tests."""
    say(lane.title)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "meter.json")
        workers = ["-n", str(lane.workers), "--no-loadscope-reorder"] if lane.workers else []
        command = [
            sys.executable, "-m", "pytest", "-q", "-m", lane.markers, *workers,
            "--timeout", str(lane.limit), "--meter", str(file),
        ]  # fmt: skip
        if lane.postgres:
            command = [sys.executable, "-m", "tests.with_postgres", *command]
        # Tests that assert durations must run alone, without a concurrent calibration.
        with Calibration(concurrent=bool(lane.workers)) as calibration:
            status = call(command)
        if not file.exists():
            return Counter(failed=1)
        report = json.loads(file.read_text())
    counts = Counter[str](report["outcomes"])
    if status and not counts["failed"]:
        counts["failed"] = 1  # pytest itself failed
    cost = sum(cpu for _, cpu, _, _ in report["rows"]) / calibration.seconds
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
    options = parser.parse_args()
    if "MAKELEVEL" in os.environ:
        die_with_parent(os.getppid())  # make
    with (ROOT / "pyproject.toml").open("rb") as file:
        budget = float(tomllib.load(file)["tool"]["sideline"]["suite"]["budget"])
    counts = Counter[str]()
    if "behaviour" in options.lanes:
        counts += node_tests()
    say("Static files, tables, the rows of a first start")
    prepared.prepare_all()
    for name in options.lanes:
        limit = budget if options.budget and name == "behaviour" else None
        lane = LANES[name]
        if options.workers and lane.workers:
            lane = replace(lane, workers=options.workers)
        counts += run(lane, limit)
    minutes = (time.time() - options.since) / 60
    verdict = "Failed" if counts["failed"] else "Passed"
    say(f"{verdict}: {counts['passed']} passed, {counts['failed']} failed, {minutes:.1f} minutes")
    return bool(counts["failed"])


if __name__ == "__main__":
    sys.exit(main())
