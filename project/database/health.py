"""Whether this process can use its database: one line in the log per change, and quick refusals.

Web and ingest processes call `watch`. From then on the first failure is logged, a thread probes the
database until it works again, and that is logged, too. Meanwhile `OutageFilter` drops what else is
logged about it: requests, sockets and loops all fail for this one reason. While no connection can
be made, PostgreSQL's backend refuses new ones at once, so that requests do not wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from django.db import close_old_connections

from project.database.errors import unavailability

log = logging.getLogger(__name__)

PROBE_S = 1.0  # between probes during an outage
FIRST_PROBE_S = 4.0
RETRY_AFTER_S = 5  # `Retry-After` of refused requests
SENTENCE = "Sideline cannot reach or store its data just now. Try again in a moment."
MAX_REASON = 300  # characters


class DatabaseHealth:
    """The state of the database, as this process sees it. Thread-safe.

    Owns one thread, during an outage. Without `watch` it notices nothing, as in other commands.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name = ""
        self._probes: tuple[Callable[[], object], Callable[[], object]] | None = None
        self._failed_at: float | None = None  # monotonic; None while the database works
        self._is_usable = True
        self._refused = 0
        self._unreachable = False  # the last probe of this outage could not connect
        self._probed = threading.Event()  # not set until the first probe of an outage has connected
        self._probed.set()

    def watch(self, name: str, connect: Callable[[], object], write: Callable[[], object]) -> None:
        """Log outages as those of the process `name`. Both probes raise if they fail.

        `connect` must make a new connection. `write` follows it, as a full disk can be read.
        """
        self._name, self._probes = name, (connect, write)

    @property
    def is_watched(self) -> bool:
        """True after `watch`."""
        return self._probes is not None

    @property
    def is_failing(self) -> bool:
        """True during an outage."""
        return self._failed_at is not None

    @property
    def is_usable(self) -> bool:
        """False from the report of a failure until a probe succeeds."""
        return self._is_usable

    def is_reachable(self) -> bool:
        """False if the last probe could not connect. Waits for the first probe of an outage."""
        self._probed.wait(FIRST_PROBE_S)
        return not self._unreachable

    def report(self, error: BaseException) -> bool:
        """Begin an outage if `error` is one; return False if it is a fault of the program."""
        reason = unavailability(error)
        if reason is not None:
            self.report_reason(str(reason) or type(reason).__name__)
        return reason is not None

    def report_reason(self, reason: str) -> None:
        """Begin an outage, unless there is one."""
        with self._lock:
            if self._probes is None or self._failed_at is not None:
                return
            self._failed_at, self._refused = time.monotonic(), 0
            self._is_usable = False
            self._probed.clear()
        line = " ".join(reason.split())[:MAX_REASON]
        log.error("%s: the database cannot be used: %s", self._name, line)
        threading.Thread(
            target=self._probe, args=self._probes, name="database probe", daemon=True
        ).start()

    def count_refusal(self) -> None:
        """Count a request or a socket that was refused."""
        with self._lock:
            self._refused += 1

    def _probe(self, connect: Callable[[], object], write: Callable[[], object]) -> None:
        """Probe until the database has worked twice: what was waiting may fail after the first."""
        was_usable = False
        while not (self._works(connect, write) and was_usable):
            was_usable = self._is_usable
            time.sleep(PROBE_S)
        with self._lock:
            assert self._failed_at is not None
            seconds, refused = time.monotonic() - self._failed_at, self._refused
            self._failed_at = None
        log.warning(
            "%s: the database can be used again after %.0f s; %d requests were refused",
            self._name, seconds, refused,
        )  # fmt: skip

    def _works(self, connect: Callable[[], object], write: Callable[[], object]) -> bool:
        try:
            self._unreachable = not _succeeds(connect)
            self._probed.set()
            self._is_usable = not self._unreachable and _succeeds(write)
            return self._is_usable
        finally:
            close_old_connections()


def _succeeds(probe: Callable[[], object]) -> bool:
    """Call a probe; False if the database cannot be used. Another failure is logged: no outage."""
    try:
        probe()
    except Exception as error:
        if unavailability(error) is not None:
            return False
        log.exception("the database could not be probed")
    return True


health = DatabaseHealth()


class OutageFilter(logging.Filter):
    """Drops records about errors of a database that cannot be used; reports the outage instead.

    The error is the record's exception or one of its arguments. During an outage it also drops the
    lines that Django writes about responses with 503.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if not health.is_watched:
            return True
        if health.is_failing and getattr(record, "status_code", 0) == 503:
            return False
        return not any([health.report(error) for error in _errors(record)])


def _errors(record: logging.LogRecord) -> Iterator[BaseException]:
    if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
        yield record.exc_info[1]
    arguments = record.args if isinstance(record.args, tuple) else ()
    yield from (each for each in arguments if isinstance(each, BaseException))
