"""An installation under siege: who watches honestly meanwhile, and how the server is afterwards."""

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
from tests.people import Cast
from tests.sockets import age_ms
from tests.waiting import until

SEND = "/api/v1/actions/actions/send"
MEGABYTE = 2**20
TRACEBACK = "\nTraceback ("  # at the start of a line: what was asked for is logged escaped
GROWTH_MB = 16.0  # an allocator's own; a tenth of what is sent would be far more
HOW_MANY = [  # times as many messages
    pytest.param(1, id="some", marks=pytest.mark.extended),
    pytest.param(34, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]
SILENCE_S = 3.0  # on a machine that does nothing else
FRESH_MS = 3000.0


def messages(count: int) -> settings:
    """So many examples, the same each time; none is made smaller, for each was sent already."""
    return settings(
        max_examples=count, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip


class Honest:
    """A viewer who looks at the camera that the server reads, all the time, in a thread.

    Not by a library: those use `random`, and Hypothesis takes that for a strategy's doing.
    """

    def __init__(self, installation: Installation, cast: Cast) -> None:
        self._house, self._cast = installation, cast
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="honest viewer")
        self.pictures = 0
        self.worst_age = self.worst_silence = 0.0
        self.failure: BaseException | None = None

    def _watch(self) -> None:
        cast = self._cast
        try:
            viewer = Peer(
                self._house.port, f"/ws/stream/{cast.plaza}", cast["viewer"].bearer, v1=True
            )
            with contextlib.closing(viewer):
                self._see(viewer)
        except BaseException as error:
            self.failure = error

    def _see(self, viewer: Peer) -> None:
        seen = time.monotonic()
        while not self._over.is_set():
            opcode, message = viewer.hear()
            if opcode != BINARY:
                continue  # a word about the camera's state
            header = json.loads(message[4 : 4 + int.from_bytes(message[:4], "big")])
            viewer.send(frame(TEXT, b'{"ack": %d}' % header["seq"]))
            self.worst_silence = max(self.worst_silence, time.monotonic() - seen)
            self.worst_age = max(self.worst_age, age_ms(header))
            self.pictures, seen = self.pictures + 1, time.monotonic()

    def __enter__(self) -> Honest:
        self._thread.start()
        self.sees_another()
        self.worst_age = self.worst_silence = 0.0
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    def sees_another(self) -> None:
        """Wait for the next picture."""
        seen = self.pictures
        until(lambda: self.pictures > seen or self.failure, 60, "the honest viewer's picture")
        assert self.failure is None, repr(self.failure)

    def was_served_in_time(self) -> None:
        """Pictures came all the time, and they were not old. For timing tests."""
        assert self.worst_silence < SILENCE_S
        assert self.worst_age < FRESH_MS


class Siege:
    """What the processes were before, and how they are afterwards."""

    def __init__(self, installation: Installation, cast: Cast) -> None:
        self.installation, self.cast = installation, cast
        self.server = psutil.Process(installation.processes[0].pid)
        self.sent = self.sent_bytes = 0
        self.warm_mb = 0.0

    def pids(self) -> set[int]:
        """Of the server and of all that it started."""
        found = self.installation.children("manage.py") + self.installation.children(
            "cameras.ingest"
        )
        return {self.server.pid, *(child.pid for child in found)}

    def mb(self) -> float:
        return float(self.server.memory_info().rss) / MEGABYTE

    def count(self, data: bytes, warming: int) -> None:
        """One message goes out; the first `warming` only warm the server up."""
        self.sent += 1
        self.sent_bytes += len(data)
        if self.sent == warming:
            self.warm_mb = self.mb()

    @contextlib.contextmanager
    def withstood(self) -> Iterator[Honest]:
        """The block attacks; the server has to be what it was before, and to serve who watches."""
        self.sent = self.sent_bytes = 0
        self.warm_mb = 0.0
        pids, fds, logged = self.pids(), self.server.num_fds(), len(self.installation.logged())
        assert len(pids) >= 3
        with Honest(self.installation, self.cast) as honest:
            yield honest
            honest.sees_another()
        log = self.installation.logged()[logged:]
        assert TRACEBACK not in log, log[max(0, log.index(TRACEBACK) - 1000) :][:6000]
        assert self.pids() == pids, "a process ended, or another was begun"
        until(lambda: self.server.num_fds() <= fds + 4, 60, f"{fds} descriptors as before")
        print(
            f"{self.sent} messages, {self.sent_bytes / MEGABYTE:.0f} MB; server "
            f"{self.warm_mb:.0f} → {self.mb():.0f} MB; the viewer saw {honest.pictures} "
            f"pictures, the oldest {honest.worst_age:.0f} ms, the longest silence "
            f"{honest.worst_silence:.1f} s"
        )
        assert self.mb() - self.warm_mb < GROWTH_MB
