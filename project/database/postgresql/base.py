"""Django's backend for PostgreSQL, with a bound on how long a server may take to answer.

A server that is frozen, or behind a broken network, keeps its connections and never answers, and
then its own `statement_timeout` does not end a statement either. So the client counts: it asks the
server to cancel the statement, and closes the connection. Only processes that serve are bounded:
migrations and backups may take hours.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg.abc import PQGen
from psycopg_pool import PoolTimeout

from project.database.health import health

STATEMENT_S = 10.0
CANCEL_S = 1.0
PROBE_CONNECT_S = 3  # DATABASES has the time-out of other connections

_limits = threading.local()  # `seconds`, in threads with a limit of their own
_are_bounded = False


def bound_statements() -> None:
    """From now on, end statements of this process that take longer than `STATEMENT_S`."""
    global _are_bounded
    _are_bounded = True


@contextlib.contextmanager
def statement_limit(seconds: float) -> Iterator[None]:
    """Give the statements of this thread another limit, for work that nobody waits for."""
    before = getattr(_limits, "seconds", STATEMENT_S)
    _limits.seconds = seconds
    try:
        yield
    finally:
        _limits.seconds = before


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose statements end in time, with `psycopg.OperationalError`."""

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """psycopg's: run `gen`, one exchange with the server."""
        if timeout is not None or not _are_bounded:
            return super().wait(gen, interval, timeout)
        limit = getattr(_limits, "seconds", STATEMENT_S)
        deadline = time.monotonic() + limit
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError:
            if time.monotonic() < deadline:
                raise
        with contextlib.suppress(psycopg.Error):
            self.cancel_safe(timeout=CANCEL_S)
        self.pgconn.finish()  # a late answer must not be taken for that of the next statement
        raise psycopg.OperationalError(f"The server did not answer within {limit:.0f} s.")


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but its connections are bounded, and there is none while no server answers."""

    def __init__(self, settings_dict: dict[str, Any], alias: str = DEFAULT_DB_ALIAS) -> None:
        super().__init__(settings_dict, alias)
        pool: dict[str, Any] = self.settings_dict["OPTIONS"]["pool"]
        pool["connection_class"] = BoundedConnection

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not health.is_reachable():
            raise psycopg.OperationalError("The server did not answer a moment ago.")
        try:
            return super().get_new_connection(conn_params)
        except PoolTimeout:
            if not health.is_watched:
                self.probe()  # raises the reason, which the pool does not know
            raise

    def probe(self) -> None:
        """Make a new connection, outside of the pool. Raises `psycopg.OperationalError`."""
        parameters = self.get_connection_params() | {"connect_timeout": PROBE_CONNECT_S}
        with BoundedConnection.connect(**parameters) as connection:
            connection.execute("SELECT 1")
