"""A pytest plugin that measures the cost of a run, in CPU and wall seconds, by folder and module.

It counts pytest's processes and all their descendants: servers, browsers, Redis, commands. A server
that several modules share has its own row. `--meter FILE` prints a table and writes JSON: `rows`,
each `[name, CPU seconds, wall seconds, tests]`, and `outcomes`.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MAX_MODULES = 10  # in the table
_TICK = os.sysconf("SC_CLK_TCK")


def read_processes() -> dict[int, tuple[int, float]]:
    """Return pid → (parent pid, CPU seconds of the process and its reaped children)."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # the process has ended
            found[int(entry)] = int(fields[1]), sum(map(int, fields[11:15])) / _TICK
    return found


def cpu_seconds(known: dict[int, tuple[int, float]], root: int) -> float:
    """Return the CPU seconds of a process and all its descendants."""
    children = defaultdict(list)
    for pid, (parent, _) in known.items():
        children[parent].append(pid)
    waiting, total = [root], 0.0
    while waiting:
        pid = waiting.pop()
        total += known[pid][1] if pid in known else 0.0
        waiting += children[pid]
    return total


@dataclass(slots=True)
class Cost:
    """CPU seconds, wall seconds, tests."""

    cpu: float = 0.0
    wall: float = 0.0
    tests: int = 0

    def add(self, cpu: float, wall: float, tests: int) -> None:
        self.cpu += cpu
        self.wall += wall
        self.tests += tests


class Meter:
    """Measures the costs of one pytest process, by module."""

    def __init__(self) -> None:
        self.costs: defaultdict[str, Cost] = defaultdict(Cost)
        self._shared: dict[int, tuple[str, float]] = {}  # pid: name, CPU seconds so far
        self._cpu, self._wall = 0.0, time.monotonic()
        self._name, self._tests = "(start)", 0

    def share(self, pid: int, name: str) -> None:
        """Give a process and its descendants their own row from now on."""
        self.switch_to(self._name)
        self._shared[pid] = name, cpu_seconds(read_processes(), pid)

    def switch_to(self, name: str) -> None:
        """Attribute the cost so far to the current row, and the following cost to `name`."""
        known, now = read_processes(), time.monotonic()
        cpu = cpu_seconds(known, os.getpid())
        shared = 0.0
        for pid, (server, before) in self._shared.items():
            if pid in known and (more := cpu_seconds(known, pid) - before) > 0:
                self.costs[f"shared server: {server}"].add(more, 0.0, 0)
                self._shared[pid] = server, before + more
                shared += more
        used = max(0.0, cpu - self._cpu - shared)
        self.costs[self._name].add(used, now - self._wall, self._tests)
        self._cpu, self._wall, self._name, self._tests = cpu, now, name, 0

    def count(self, module: str) -> None:
        """Count a test of the module that begins now."""
        if module != self._name:
            self.switch_to(module)
        self._tests += 1

    def rows(self) -> list[tuple[str, float, float, int]]:
        self.switch_to(self._name)
        return [(name, cost.cpu, cost.wall, cost.tests) for name, cost in self.costs.items()]


METER = Meter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--meter", metavar="FILE", help="print the cost of the run, and write it to FILE"
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    METER.count(item.nodeid.partition("::")[0])
    return (yield)


class _Collector:
    """Collects the rows of all workers in the process that reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._costs: defaultdict[str, Cost] = defaultdict(Cost)
        self._outside = int(
            os.environ.get("SUITE_POSTGRES", 0)
        )  # pid of PostgreSQL, not a descendant
        self._before = cpu_seconds(read_processes(), self._outside)

    def add(self, rows: Iterable[tuple[str, float, float, int]]) -> None:
        for name, *cost in rows:
            self._costs[name].add(*cost)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Add the rows of a worker that ends."""
        self.add(getattr(node, "workeroutput", {}).get("meter", ()))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        own = METER.rows()
        distributed = self._config.getoption("numprocesses", None)
        self.add([("(controller)", time.process_time(), 0.0, 0)] if distributed else own)
        if self._outside:
            more = cpu_seconds(read_processes(), self._outside) - self._before
            self.add([("shared server: PostgreSQL", more, 0.0, 0)])
        costs = dict(self._costs)
        rows = [[name, cost.cpu, cost.wall, cost.tests] for name, cost in costs.items()]
        outcomes = {
            "passed": len(terminalreporter.stats.get("passed", ())),
            "failed": sum(len(terminalreporter.stats.get(how, ())) for how in ("failed", "error")),
        }
        report = {"rows": rows, "outcomes": outcomes}
        Path(self._config.getoption("--meter")).write_text(json.dumps(report))
        for line in table(costs):
            terminalreporter.write_line(line)


def table(costs: dict[str, Cost]) -> Iterator[str]:
    """Yield the lines of the printed table."""
    folders: defaultdict[str, Cost] = defaultdict(Cost)
    for name, cost in costs.items():
        folders[name.rpartition("/")[0] or name].add(cost.cpu, cost.wall, cost.tests)
    modules = {name: cost for name, cost in costs.items() if name.endswith(".py")}
    yield f"{'CPU s':>8}{'wall s':>8}{'tests':>7}  by folder, of all processes"
    yield from _lines(folders, len(folders))
    yield f"{'CPU s':>8}{'wall s':>8}{'tests':>7}  the most expensive modules"
    yield from _lines(modules, MAX_MODULES)
    total = sum(cost.cpu for cost in costs.values())
    yield f"{total:8.0f}{'':8}{sum(cost.tests for cost in costs.values()):7}  in all"


def _lines(costs: dict[str, Cost], limit: int) -> Iterator[str]:
    for name, cost in sorted(costs.items(), key=lambda one: -one[1].cpu)[:limit]:
        yield f"{cost.cpu:8.1f}{cost.wall:8.1f}{cost.tests:7}  {name}"


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--meter") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(config), "meter-collected")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the rows of an xdist worker to the controller."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["meter"] = METER.rows()
