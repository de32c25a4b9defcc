"""Which errors mean that database or disk cannot be used."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import OperationalError, ProgrammingError, connection
from psycopg import errors
from psycopg_pool import ConnectionPool, PoolTimeout

from project.database.errors import unavailability


def locked(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        run(file, "INSERT INTO rows VALUES (1)")


def full(file: Path) -> None:
    run(file, "PRAGMA max_page_count = 2", "INSERT INTO rows VALUES (zeroblob(100000))")


def read_only(file: Path) -> None:
    run(file, "PRAGMA query_only = 1", "INSERT INTO rows VALUES (1)")


def missing_folder(file: Path) -> None:
    run(file.parent / "missing" / "file", "SELECT 1")


def missing_table(file: Path) -> None:
    run(file, "SELECT * FROM missing")


def run(file: Path, *statements: str) -> None:
    with (
        contextlib.closing(sqlite3.connect(file, timeout=0)) as own,
        connection.wrap_database_errors,
    ):
        for statement in statements:
            own.execute(statement)


@pytest.mark.parametrize(
    ("provoke", "is_outage"),
    [(locked, True), (full, True), (read_only, True), (missing_folder, True),
     (missing_table, False)],
)  # fmt: skip
def test_sqlite_is_judged_by_its_code(
    provoke: Callable[[Path], None], is_outage: bool, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    with contextlib.closing(sqlite3.connect(file)) as created:
        created.execute("CREATE TABLE rows (id)")
    with pytest.raises((OperationalError, sqlite3.OperationalError)) as raised:
        provoke(file)
    assert (unavailability(raised.value) is not None) == is_outage


@pytest.mark.parametrize(
    ("kind", "is_outage"),
    [
        (errors.DiskFull, True),
        (errors.TooManyConnections, True),
        (errors.AdminShutdown, True),
        (errors.CannotConnectNow, True),
        (errors.QueryCanceled, True),
        (errors.IoError, True),
        (errors.LockNotAvailable, True),
        (errors.ReadOnlySqlTransaction, True),
        (errors.DeadlockDetected, False),
        (errors.UndefinedTable, False),
        (errors.SyntaxError, False),
        (errors.UniqueViolation, False),
        (errors.DataCorrupted, False),
        (PoolTimeout, True),
    ],
)
def test_postgresql_is_judged_by_its_code(kind: type[psycopg.Error], is_outage: bool) -> None:
    assert (unavailability(kind("x")) is not None) == is_outage
    assert (unavailability(wrapped(kind("x"))) is not None) == is_outage


def wrapped(error: psycopg.Error) -> Exception:
    """Return Django's error for one of psycopg's."""
    kind = OperationalError if isinstance(error, psycopg.OperationalError) else ProgrammingError
    if isinstance(error, psycopg.InternalError):
        kind = OperationalError
    django = kind(str(error))
    django.__cause__ = error
    return django


def test_refused_connection_is_an_outage() -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        psycopg.connect("postgres://sideline@127.0.0.1:9/none")
    assert unavailability(raised.value) is raised.value
    with (
        ConnectionPool("postgres://sideline@127.0.0.1:9/none", timeout=0.1) as pool,
        pytest.raises(PoolTimeout) as timed_out,
    ):
        pool.getconn()
    assert unavailability(timed_out.value) is timed_out.value


def test_full_disk_is_an_outage_and_a_missing_file_is_not() -> None:
    assert unavailability(OSError(errno.ENOSPC, "No space left on device"))
    assert unavailability(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert unavailability(FileNotFoundError(errno.ENOENT, "No such file")) is None


def test_outage_is_found_behind_the_error_that_it_caused() -> None:
    """But not behind a fault of the program that comes up while the outage is handled."""
    full_disk = wrapped(errors.DiskFull("no space"))

    def fail(error: Exception, *, named: bool) -> None:
        try:
            raise full_disk
        except OperationalError as cause:
            if named:
                raise error from cause
            raise error  # noqa: B904

    for error, named, found in (
        (ValueError("x"), True, full_disk),
        (ValueError("x"), False, None),
        (SessionInterrupted("x"), False, full_disk),
        (ProgrammingError("x"), False, full_disk),
    ):
        with pytest.raises(type(error)) as raised:
            fail(error, named=named)
        assert unavailability(raised.value) is found
    assert unavailability(None) is None
