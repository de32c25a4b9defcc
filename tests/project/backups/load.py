"""An installation under load, and a backup taken meanwhile."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chats.talking import ChatClient
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.project.backups.holdings import Rows, backup, rows
from tests.publishers import exchange, publishing, v1_frame
from tests.sockets import next_frame, watching
from tests.waiting import until

BULK_MB = 16  # so that copying takes a while
_BULK = """
import os
from cameras.models import *
from project.accounts.models import *
from project.audit.models import *
weights = Weights.objects.create(organization=Organization.objects.get(), name="Own", size=1)
for n in range({mb}):
    WeightsPart.objects.create(weights=weights, number=n, data=os.urandom(1 << 20))
"""
# Two rows in each transaction, as fast as the database takes them.
_TICKER = """
import itertools
from django.db import transaction
from project.audit.models import AuditEntry
for n in itertools.count(1):
    with transaction.atomic():
        for half in "ab":
            AuditEntry.objects.create(who="ticker", action="ask", subject=f"{n} {half}")
    print(f"tick {n}", flush=True)
"""


def ticks(installation: Installation) -> int:
    """Return how many transactions of the ticker have reported their commit."""
    return int(re.findall(r"^tick (\d+)$", installation.logged(), re.MULTILINE)[-1])


@dataclass(slots=True)
class Load:
    """Threads that repeat the actions of users and cameras until the end."""

    installation: Installation
    ended: threading.Event = field(default_factory=threading.Event)
    rounds: dict[str, int] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self, *actions: Callable[[], None]) -> Iterator[None]:
        threads = [threading.Thread(target=self._repeat, args=(action,)) for action in actions]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.ended.set()
            for thread in threads:
                thread.join()
            assert not self.failures, self.failures

    def _repeat(self, action: Callable[[], None]) -> None:
        try:
            while not self.ended.is_set():
                action()
                name = action.__name__
                self.rounds[name] = self.rounds.get(name, 0) + 1
        except BaseException as failure:
            self.failures.append(failure)


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup taken under load, of an installation that has been stopped since."""

    installation: Installation
    file: Path
    before: Rows
    after: Rows
    ticks: tuple[int, int]  # committed before the backup began, and begun when it was done
    plaza: str
    gate: str
    chat: str


def fill(installation: Installation) -> None:
    """Create rows that take a while to copy."""
    installation.manage("shell", "-v0", "-c", _BULK.format(mb=BULK_MB))


def under_load(
    installation: Installation, model: Model, plaza: str, gate: str, device: str
) -> Taken:
    """Back up the installation while four threads and a process write to its database."""
    model.script = Script(pieces=tuple(f"{n} " for n in range(30)), pause=0.01)
    load = Load(installation)
    bearer = {"Authorization": f"Bearer {installation.token}"}
    with contextlib.ExitStack() as stack:
        talkers = [stack.enter_context(ChatClient(installation)) for _ in range(2)]
        chats = [talker.chat() for talker in talkers]
        socket = stack.enter_context(publishing(installation, device, headers=bearer))

        def answer_first() -> None:
            talkers[0].send(chats[0])

        def answer_second() -> None:
            talkers[1].send(chats[1])

        def report() -> None:
            exchange(socket, v1_frame())
            load.ended.wait(1 / 30)  # a device that sends more than 60 a second is closed

        def watch() -> None:
            with watching(installation, plaza, headers=bearer, open_timeout=30) as viewer:
                next_frame(viewer, 60)

        stack.enter_context(load.running(answer_first, answer_second, report, watch))
        ticker = installation.spawn("shell", "-v0", "-c", _TICKER)
        until(
            lambda: len(load.rounds) == 4 and "tick 20\n" in installation.logged(), 120, "the load"
        )
        before, first, rounds = rows(installation), ticks(installation), dict(load.rounds)
        file = backup(installation, "under-load.tar", "--with-keys")
        until(lambda: ticks(installation) > first + 1, 60, "writing beside the backup")
        last = ticks(installation) + 1
        until(lambda: all(load.rounds[name] > rounds[name] for name in rounds), 120, "more load")
        ticker.terminate()
        ticker.wait(30)
    installation.stop()
    return Taken(
        installation, file, before, rows(installation), (first, last), plaza, gate, chats[0]
    )
