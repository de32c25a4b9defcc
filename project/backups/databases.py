"""What a backup asks of a database. Both kinds are read at one moment, while others write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg.conninfo import make_conninfo

from cameras.ingest.isolation import bare_environment

LEAVING_S = 2.0


class DatabaseTrouble(Exception):
    """The database, or a program that speaks to it, could not do what it was asked; says why."""


class Database(Protocol):
    """One of the two kinds. All may raise `DatabaseTrouble`."""

    vendor: str
    files: tuple[Path, ...]  # its own, which are not copied as files

    def dump(self, to: Path) -> None:
        """Write what it holds at one moment."""

    def check(self, dump: Path) -> None:
        """Raise where the dump cannot be what `dump` wrote."""

    def is_empty(self) -> bool:
        """Whether there is nothing that a restore would overwrite."""

    def others(self) -> int:
        """How many connections others have to it, as far as it can tell."""

    def put_aside(self, folder: Path) -> None:
        """Keep what it holds in this folder, and be empty then."""

    def load(self, dump: Path) -> None:
        """Hold what the dump holds. It is empty before."""


class SQLite:
    """A file and what lies beside it. `manage.py serve` may run while it is dumped."""

    vendor = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        beside = ("-wal", "-shm", "-journal")
        self.files = (path, *(path.with_name(path.name + end) for end in beside))

    def dump(self, to: Path) -> None:
        """By the online backup, in one step: it reads one moment, and with WAL nobody waits."""
        try:
            with (
                closing(sqlite3.connect(self._path)) as source,
                closing(sqlite3.connect(to)) as copy,
            ):
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        except sqlite3.Error as error:
            raise DatabaseTrouble(f"The database could not be read: {error}.") from None
        self.check(to)

    def check(self, dump: Path) -> None:
        try:
            with closing(sqlite3.connect(dump)) as copy:
                (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
                astray = copy.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.Error as error:
            found, astray = str(error), None
        if found != "ok":
            raise DatabaseTrouble(f"The database is damaged: {found}.")
        if astray:
            raise DatabaseTrouble(f"The database is damaged: a row of {astray[0]} is an orphan.")

    def is_empty(self) -> bool:
        return not self._path.exists() or not self._path.stat().st_size

    def others(self) -> int:
        """It cannot tell; `project/backups/lock.py` can."""
        return 0

    def put_aside(self, folder: Path) -> None:
        for file in self.files:
            if file.exists():
                shutil.move(file, folder / file.name)

    def load(self, dump: Path) -> None:
        shutil.move(dump, self._path)


class PostgreSQL:
    """By the programs of its distribution. `options` are psycopg's, such as `sslmode`."""

    vendor = "postgresql"
    files: tuple[Path, ...] = ()

    def __init__(self, password: str, **options: Any) -> None:
        self._password = password
        self._conninfo = make_conninfo(**{key: value for key, value in options.items() if value})

    def dump(self, to: Path) -> None:
        self._run(
            "pg_dump", "--format=custom", "--compress=1", "--no-owner", "--no-privileges",
            f"--file={to}",
        )  # fmt: skip

    def check(self, dump: Path) -> None:
        self._run("pg_restore", "--list", str(dump), connect=False)

    def is_empty(self) -> bool:
        return not self._all("SELECT 1 FROM pg_tables WHERE schemaname = current_schema()")

    def others(self) -> int:
        """Waits for at most `LEAVING_S` until connections that were just closed, such as our own
        last one, are gone from PostgreSQL's list."""
        question = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + LEAVING_S
        with self._connected() as connection:
            connection.autocommit = True  # a transaction would be told the same each time
            while found := connection.execute(question).fetchall():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        return len(found)

    def put_aside(self, folder: Path) -> None:
        """Tables and functions of the schema go, whoever made them; extensions stay."""
        self.dump(folder / "database")
        tables = self._all(
            "SELECT format('DROP TABLE IF EXISTS %I.%I CASCADE', schemaname, tablename)"
            " FROM pg_tables WHERE schemaname = current_schema()"
        )
        functions = self._all(
            "SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure) FROM pg_proc p"
            " WHERE p.pronamespace = current_schema()::regnamespace AND NOT EXISTS"
            " (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        )
        with self._connected() as connection:
            for (statement,) in [*tables, *functions]:
                connection.execute(statement)

    def load(self, dump: Path) -> None:
        """All or nothing."""
        self._run(
            "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner",
            "--no-privileges", str(dump),
        )  # fmt: skip

    def _connected(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(self._conninfo, password=self._password or None)
        except psycopg.Error as error:
            raise DatabaseTrouble(f"The database does not answer: {error}") from None

    def _all(self, question: Any) -> list[tuple[Any, ...]]:
        with self._connected() as connection:
            return connection.execute(question).fetchall()

    def _run(self, program: str, *arguments: str, connect: bool = True) -> None:
        found = shutil.which(program)
        if found is None:
            raise DatabaseTrouble(
                f"{program} is not on the PATH; on Debian: apt-get install postgresql-client."
            )
        # What could be seen in a list of processes holds no password.
        address = [f"--dbname={self._conninfo}"] if connect else []
        environment = bare_environment() | {"PGPASSWORD": self._password}
        environment |= {name: os.environ[name] for name in ("PGPASSFILE",) if name in os.environ}
        done = subprocess.run(  # nosec B603  # a list; the address has no way into an option
            [found, *address, *arguments],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
            raise DatabaseTrouble(f"{program} says: {' '.join(lines[:3])}")


def database_of(settings: dict[str, Any]) -> Database:
    """That of an entry of Django's DATABASES."""
    if settings["ENGINE"] == "django.db.backends.sqlite3":
        return SQLite(Path(settings["NAME"]))
    more = {key: value for key, value in settings.get("OPTIONS", {}).items() if key != "pool"}
    return PostgreSQL(
        settings["PASSWORD"], dbname=settings["NAME"], user=settings["USER"],
        host=settings["HOST"], port=settings["PORT"], **more,
    )  # fmt: skip
