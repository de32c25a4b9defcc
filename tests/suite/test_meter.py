"""The measured cost of a run, and the budget."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT, lanes
from tests.calibration import Calibration
from tests.lanes import TOLERANCE, Lane, is_over
from tests.meter import Cost, Meter, cpu_seconds, read_processes, table
from tests.processes import killed_with_parent


def burn(seconds: float) -> list[str]:
    """Return a command that uses this much CPU."""
    script = f"import time\nwhile time.process_time() < {seconds}: pass"
    return [sys.executable, "-S", "-c", script]


def waiting(after: float) -> subprocess.Popen[bytes]:
    """Start a process that uses this much CPU, prints a line, and waits for one."""
    *words, script = burn(after)
    script += "\nprint(flush=True)\ninput()"
    return subprocess.Popen(
        killed_with_parent(*words, script), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def in_new_process(measure: Callable[[], object]) -> Any:
    """Run a function of this module in a process without other children; return its result."""
    name = measure.__name__
    script = f"import json; from {__name__} import {name}; print(json.dumps({name}()))"
    done = subprocess.run(
        killed_with_parent(sys.executable, "-c", script),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def measure_child() -> tuple[float, float]:
    """Return the CPU seconds counted for a child while it runs, and after it ended."""
    before = cpu_seconds(read_processes(), os.getpid())
    with waiting(after=0.4) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        running = cpu_seconds(read_processes(), os.getpid())
        child.communicate(b"\n")
    return running - before, cpu_seconds(read_processes(), os.getpid()) - before


def test_children_count_while_they_run_and_after_they_ended() -> None:
    running, ended = in_new_process(measure_child)
    assert running > 0.3
    assert ended > 0.3


def measure_two_modules() -> list[tuple[str, float, float, int]]:
    """Return the rows of two modules. The first runs a command while a shared server is busy."""
    meter = Meter()
    meter.switch_to("(start)")
    with waiting(after=1.0) as server:
        meter.count("a/test_one.py")
        meter.share(server.pid, "busy")
        subprocess.run(burn(0.5), check=True)
        assert server.stdout is not None
        assert server.stdout.readline() == b"\n"
        meter.count("a/test_one.py")
        meter.count("a/test_two.py")
        rows = meter.rows()
        server.communicate(b"\n")
    return rows


def test_each_module_and_each_shared_server_has_a_row() -> None:
    rows = {name: (cpu, tests) for name, cpu, _, tests in in_new_process(measure_two_modules)}
    assert rows["shared server: busy"][0] > 0.8
    assert 0.4 < rows["a/test_one.py"][0] < 0.9
    assert rows["a/test_two.py"][0] < 0.3
    assert (rows["a/test_one.py"][1], rows["a/test_two.py"][1]) == (2, 1)


def test_table_sums_folders_and_lists_the_most_expensive_modules() -> None:
    costs = {f"a/test_{number}.py": Cost(number, 1.0, 2) for number in range(20)}
    lines = [" ".join(line.split()) for line in table(costs | {"(start)": Cost(5.0, 1.0, 0)})]
    assert lines[1:3] == ["190.0 20.0 40 a", "5.0 1.0 0 (start)"]
    assert lines[4] == "19.0 1.0 2 a/test_19.py"
    assert lines[-2] == "10.0 1.0 2 a/test_10.py"
    assert lines[-1] == "195 40 in all"


@pytest.mark.parametrize(("cost", "expected"), [(100, False), (129, False), (131, True)])
def test_budget_has_a_tolerance_for_noise(cost: float, expected: bool) -> None:
    assert TOLERANCE == 1.3
    assert is_over(cost, budget=100) is expected


@pytest.mark.parametrize(
    ("budget", "failed"), [(None, 0), (40.0, 0), (2.0, 1)], ids=["none", "kept", "exceeded"]
)
def test_lane_over_its_budget_fails(
    monkeypatch: pytest.MonkeyPatch, budget: float | None, failed: int
) -> None:
    def call(command: list[str]) -> int:
        report = {"rows": [["a", 30.0, 1.0, 2]], "outcomes": {"passed": 2, "failed": 0}}
        Path(command[command.index("--meter") + 1]).write_text(json.dumps(report))
        return 0

    monkeypatch.setattr(lanes, "call", call)
    monkeypatch.setattr(Calibration, "_run", lambda self: self.runs.append(1.0))
    assert lanes.run(Lane("Two tests", "none"), budget) == Counter(passed=2, failed=failed)


def test_lane_that_could_not_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "call", lambda command: 4)
    monkeypatch.setattr(Calibration, "_run", lambda self: self.runs.append(1.0))
    assert lanes.run(Lane("Nothing", "none"), None)["failed"] == 1


def test_calibration_runs_before_and_after() -> None:
    with Calibration() as calibration:
        (first,) = calibration.runs
    assert len(calibration.runs) == 2
    assert min(first, calibration.seconds) > 0.2
