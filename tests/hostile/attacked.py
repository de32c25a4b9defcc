"""Checks of a server under attack: its processes, log, memory, and a legitimate viewer."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.hostile.peer import BINARY, TEXT, Peer, frame
from tests.installation import Installation
from tests.people import Scenario
from tests.sockets import age_ms
from tests.waiting import until

SEND = "/api/v1/actions/actions/send"
MEGABYTE = 2**20
TRACEBACK = "\nTraceback ("  # at the start of a line: request data is logged escaped
GROWTH_MB = 16.0  # of the allocator; a leak of a tenth of the sent data would be far more
MULTIPLIERS = [  # of the number of messages
    pytest.param(1, id="some", marks=pytest.mark.extended),
    pytest.param(34, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]
SILENCE_S = 3.0  # on an otherwise idle machine
FRESH_MS = 3000.0


def messages(count: int) -> settings:
    """Return settings for `count` reproducible examples, without shrinking: they were sent."""
    return settings(
        max_examples=count, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip


class LegitimateViewer:
    """A legitimate viewer of the demo camera, in a thread.

    It uses `Peer`, not a library: libraries use `random`, which Hypothesis would report as a
    fault of the strategies.
    """

    def __init__(self, installation: Installation, scenario: Scenario) -> None:
        self._installation, self._scenario = installation, scenario
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="legitimate viewer")
        self.pictures = 0
        self.worst_age = self.worst_silence = 0.0
        self.failure: BaseException | None = None

    def _watch(self) -> None:
        scenario = self._scenario
        try:
            viewer = Peer(
                self._installation.port,
                f"/ws/stream/{scenario.plaza}",
                scenario["viewer"].bearer,
                v1=True,
            )
            with contextlib.closing(viewer):
                self._receive(viewer)
        except BaseException as error:
            self.failure = error

    def _receive(self, viewer: Peer) -> None:
        last_at = time.monotonic()
        while not self._stop.is_set():
            opcode, message = viewer.receive()
            if opcode != BINARY:
                continue  # a status message
            header = json.loads(message[4 : 4 + int.from_bytes(message[:4], "big")])
            viewer.send(frame(TEXT, b'{"ack": %d}' % header["seq"]))
            self.worst_silence = max(self.worst_silence, time.monotonic() - last_at)
            self.worst_age = max(self.worst_age, age_ms(header))
            self.pictures, last_at = self.pictures + 1, time.monotonic()

    def __enter__(self) -> LegitimateViewer:
        self._thread.start()
        self.wait_for_picture()
        self.worst_age = self.worst_silence = 0.0
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for_picture(self) -> None:
        """Wait for the next picture."""
        before = self.pictures
        until(lambda: self.pictures > before or self.failure, 60, "the legitimate viewer's picture")
        assert self.failure is None, repr(self.failure)

    def assert_served_in_time(self) -> None:
        """Assert that pictures arrived without long gaps and were fresh. For timing tests."""
        assert self.worst_silence < SILENCE_S
        assert self.worst_age < FRESH_MS


class AttackedServer:
    """Compares the state of the server before and after an attack."""

    def __init__(self, installation: Installation, scenario: Scenario) -> None:
        self.installation, self.scenario = installation, scenario
        self.server = psutil.Process(installation.processes[0].pid)
        self.sent = self.sent_bytes = 0
        self.warm_mb = 0.0

    def pids(self) -> set[int]:
        """Return the pids of the server and its children."""
        children = self.installation.children("manage.py") + self.installation.children(
            "cameras.ingest"
        )
        return {self.server.pid, *(child.pid for child in children)}

    def memory_mb(self) -> float:
        return float(self.server.memory_info().rss) / MEGABYTE

    def count(self, data: bytes, warming: int) -> None:
        """Count a sent message. Memory is compared with its use after `warming` messages."""
        self.sent += 1
        self.sent_bytes += len(data)
        if self.sent == warming:
            self.warm_mb = self.memory_mb()

    @contextlib.contextmanager
    def attack(self) -> Iterator[LegitimateViewer]:
        """Run the block; then assert that the server is unharmed and the viewer was served."""
        self.sent = self.sent_bytes = 0
        self.warm_mb = 0.0
        pids, fds, logged = self.pids(), self.server.num_fds(), len(self.installation.logged())
        assert len(pids) >= 3
        with LegitimateViewer(self.installation, self.scenario) as viewer:
            yield viewer
            viewer.wait_for_picture()
        log = self.installation.logged()[logged:]
        assert TRACEBACK not in log, log[max(0, log.index(TRACEBACK) - 1000) :][:6000]
        assert self.pids() == pids, "a process ended, or a new one started"
        until(lambda: self.server.num_fds() <= fds + 4, 60, f"{fds} descriptors as before")
        print(
            f"{self.sent} messages, {self.sent_bytes / MEGABYTE:.0f} MB; server "
            f"{self.warm_mb:.0f} → {self.memory_mb():.0f} MB; the viewer saw {viewer.pictures} "
            f"pictures, the oldest {viewer.worst_age:.0f} ms, the longest silence "
            f"{viewer.worst_silence:.1f} s"
        )
        assert self.memory_mb() - self.warm_mb < GROWTH_MB
