"""Dump and restore of SQLite and PostgreSQL: consistent snapshots while others write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import CommandError
from psycopg.conninfo import make_conninfo

from project.child_processes import bare_environment

CLOSING_S = 2.0  # for which connections that are being closed are awaited
DROPS = """
SELECT format('DROP TABLE IF EXISTS %I.%I CASCADE', schemaname, tablename)
FROM pg_tables WHERE schemaname = current_schema()
UNION ALL
SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure) FROM pg_proc p
WHERE p.pronamespace = current_schema()::regnamespace AND NOT EXISTS
(SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""


def move(path: Path, folder: Path, undo: ExitStack) -> None:
    """Move a file or folder into a folder. `undo` moves it back."""
    shutil.move(path, folder / path.name)
    undo.callback(shutil.move, folder / path.name, path)


class SQLite:
    """A file, with its journal files. `manage.py serve` may run during a dump."""

    vendor = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = [path.with_name(path.name + end) for end in ("", "-wal", "-shm", "-journal")]
        self.names = [file.name for file in self._files]

    def dump(self, to: Path) -> None:
        """Use the online backup API in one step: a snapshot that, with WAL, blocks nobody."""
        try:
            with (
                closing(sqlite3.connect(self._path)) as source,
                closing(sqlite3.connect(to)) as copy,
            ):
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # a single file, without a journal
        except sqlite3.Error as error:
            raise CommandError(f"The database could not be read: {error}.") from None
        self.check(to)

    def check(self, dump: Path) -> None:
        """Raise if the file cannot be a result of `dump`."""
        try:
            with closing(sqlite3.connect(dump)) as copy:
                (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
                orphan = copy.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.Error as error:
            found, orphan = str(error), None
        if found != "ok":
            raise CommandError(f"The database is damaged: {found}.")
        if orphan:
            raise CommandError(f"The database is damaged: a row of {orphan[0]} is an orphan.")

    def is_empty(self) -> bool:
        """True if there is nothing that a restore would overwrite."""
        return not self._path.exists() or not self._path.stat().st_size

    def others(self) -> int:
        """The number of connections of other processes: not known to SQLite."""
        return 0

    def put_aside(self, folder: Path, undo: ExitStack) -> None:
        """Move the content to a folder. The database is empty afterwards."""
        for file in self._files:
            if file.exists():
                move(file, folder, undo)

    def load(self, dump: Path, undo: ExitStack) -> None:
        """Load a dump into the database, which must be empty."""
        undo.callback(self._path.unlink, missing_ok=True)
        shutil.move(dump, self._path)


class PostgreSQL:
    """Uses pg_dump and pg_restore. `options` are psycopg's, such as `sslmode`."""

    vendor = "postgresql"
    names: tuple[str, ...] = ()

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
        with self._connect() as connection:
            query = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()"
            return connection.execute(query).fetchone() is None

    def others(self) -> int:
        """Wait at most `CLOSING_S` until connections that were just closed, such as our own last
        one, are gone from pg_stat_activity."""
        query = (
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + CLOSING_S
        with self._connect() as connection:
            connection.autocommit = True  # inside a transaction the view would not change
            while found := connection.execute(query).fetchall():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        return len(found)

    def put_aside(self, folder: Path, undo: ExitStack) -> None:
        dump = folder / "database"
        self.dump(dump)
        self._clear()
        undo.callback(self._load, dump)

    def load(self, dump: Path, undo: ExitStack) -> None:
        self._load(dump)
        undo.callback(self._clear)

    def _load(self, dump: Path) -> None:
        """Load in a single transaction."""
        self._run(
            "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner",
            "--no-privileges", str(dump),
        )  # fmt: skip

    def _clear(self) -> None:
        """Drop all tables and functions of the schema. Extensions stay."""
        with self._connect() as connection:
            for (statement,) in connection.execute(DROPS).fetchall():
                connection.execute(statement)

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(self._conninfo, password=self._password or None)
        except psycopg.Error as error:
            raise CommandError(f"The database does not answer: {error}") from None

    def _run(self, program: str, *arguments: str, connect: bool = True) -> None:
        found = shutil.which(program)
        if found is None:
            raise CommandError(
                f"{program} is not on the PATH; on Debian: apt-get install postgresql-client."
            )
        # The password is not in the arguments, which other users can see.
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
            raise CommandError(f"{program} says: {' '.join(lines[:3])}")


Database = SQLite | PostgreSQL  # to back up or restore. All methods may raise `CommandError`.


def database_of(settings: dict[str, Any]) -> Database:
    """Return the database of an entry of Django's DATABASES."""
    if settings["ENGINE"] == "django.db.backends.sqlite3":
        return SQLite(Path(settings["NAME"]))
    more = {key: value for key, value in settings.get("OPTIONS", {}).items() if key != "pool"}
    return PostgreSQL(
        settings["PASSWORD"], dbname=settings["NAME"], user=settings["USER"],
        host=settings["HOST"], port=settings["PORT"], **more,
    )  # fmt: skip
