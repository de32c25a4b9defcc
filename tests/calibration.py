"""`python -m tests.calibration`: a fixed amount of work, about a second of CPU.

On one shared machine the same work cost 1.4 to 2.2 s of CPU within an hour. So the suite's cost is
measured in runs of this.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading

from tests import ROOT
from tests.processes import killed_with_parent

INTERVAL_S = 45.0


def work() -> None:
    """Do what the suite does most: objects, text, hashes, rows."""
    rows = sqlite3.connect(":memory:")
    rows.execute("CREATE TABLE seen (at INTEGER PRIMARY KEY, what TEXT)")
    digest = hashlib.sha256()
    for number in range(36_000):
        facts = {"camera": number % 7, "at": number, "boxes": [[number, 2, 3.5, 4]] * 3}
        text = json.dumps(facts)
        found = re.findall(r"\d+", text)
        digest.update("".join(sorted(found)).encode())
        rows.execute("INSERT INTO seen VALUES (?, ?)", (number, digest.hexdigest()))
        assert json.loads(text) == facts
    assert rows.execute("SELECT count(DISTINCT what) FROM seen").fetchone() == (36_000,)
    rows.close()


class Calibration:
    """Runs the work before and after a block, and with `concurrent` also during it.

    `seconds` is the mean CPU time of a run.
    """

    def __init__(self, concurrent: bool = True) -> None:
        self.runs: list[float] = []
        self._concurrent = concurrent
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)

    @property
    def seconds(self) -> float:
        return sum(self.runs) / len(self.runs)

    def __enter__(self) -> Calibration:
        self._run()
        if self._concurrent:
            self._thread.start()
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        self._stop.set()
        if self._concurrent:
            self._thread.join()
        if failure is None:
            self._run()

    def _repeat(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            self._run()

    def _run(self) -> None:
        process = subprocess.Popen(
            killed_with_parent(sys.executable, "-m", "tests.calibration"), cwd=ROOT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        self.runs.append(used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    work()
