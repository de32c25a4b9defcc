"""Probes of the database: connect to it, and write to it. Readiness and outages ask them."""

from __future__ import annotations

import logging
import os
import threading
import time

from django.db import connections

from project.database.health import health
from project.database.postgresql.base import DatabaseWrapper, bound_statements, statement_limit
from project.models import WriteCheck

log = logging.getLogger(__name__)

CACHED_S = 5.0
WRITE_S = 3.0  # for PostgreSQL's answer
WAIT_S = 3.0  # for another thread's write
SIZE = 64 * 1024  # bytes: a smaller row fits into space that the database has reserved


def watch(process: str) -> None:
    """From now on, log outages of this process, and end statements that take too long."""
    health.watch(process, connect, write)
    bound_statements()


def connect() -> None:
    """Make a new connection. Raises what the database raises."""
    connection = connections["default"]
    if isinstance(connection, DatabaseWrapper):
        connection.probe()
    else:
        connection.ensure_connection()


def write() -> None:
    """Rewrite the row. Raises what the database raises."""
    filling = os.urandom(SIZE)  # random, as PostgreSQL compresses
    with statement_limit(WRITE_S):
        WriteCheck.objects.update_or_create(pk=1, defaults={"filling": filling})


class Readiness:
    """Whether the database can be written. The answer is cached; one thread writes at a time."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._is_writable = False
        self._written_at = float("-inf")  # monotonic

    def is_writable(self) -> bool:
        """Write, unless that was done within `CACHED_S`.

        False without a write during an outage, as `health` probes itself; and if another thread
        has been writing for `WAIT_S`.
        """
        if not health.is_usable or not self._writing.acquire(timeout=WAIT_S):
            return False
        try:
            if time.monotonic() - self._written_at >= CACHED_S:
                self._is_writable = self._write()
                self._written_at = time.monotonic()
            return self._is_writable
        finally:
            self._writing.release()

    def _write(self) -> bool:
        try:
            write()
        except Exception as error:
            if not health.report(error):
                log.exception("the database could not be written")
            return False
        return True


readiness = Readiness()
