"""`python -m tests.with_postgres COMMAND…`: run a command with DATABASE_URL on a new PostgreSQL.

Each run starts a new server. It has template databases that are copied in 0.3 s: one with tables,
one with the rows of a first start. It ends with the command, or when this process is killed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from tests import ROOT
from tests.prepared import FIRST_START, first_start, static_files, without_settings
from tests.processes import killed_with_parent
from tests.waiting import free_port, until

EMPTY, TABLES, FIRST_ROWS = "template1", "sideline_tables", "sideline_first_rows"


def _as_postgres(*command: str) -> list[str]:
    """Return the command, run as `postgres` if this is root: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", *command]


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False


class Cluster:
    """A PostgreSQL server on a free port of 127.0.0.1, with an empty database. Owns the process.

    Its data are in a new folder, inside `parent` if that is given. A transaction that was committed
    within the last moments is lost by a crash, unless it is `durable`.
    """

    def __init__(self, parent: Path | None = None, durable: bool = False) -> None:
        self._parent, self._commit = parent, "on" if durable else "off"
        self._binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self._port = free_port()
        self.url = f"postgres://sideline@127.0.0.1:{self._port}/postgres"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        self._folder = Path(tempfile.mkdtemp(prefix="sideline-postgres-", dir=self._parent))
        if os.geteuid() == 0:
            os.chown(self._folder, pwd.getpwnam("postgres").pw_uid, -1)
        subprocess.run(
            _as_postgres(str(self._binaries / "initdb"), "-A", "trust", "-U", "sideline",
                         "--no-sync", "-D", str(self._folder / "data")),
            check=True, stdout=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The pid of the server, which must run."""
        assert self._server is not None
        return self._server.pid

    @property
    def is_running(self) -> bool:
        """False if it was stopped or has ended by itself."""
        return self._server is not None and self._server.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        data = str(self._folder / "data")
        with (self._folder / "log").open("ab") as log:
            server = self._server = subprocess.Popen(
                _as_postgres(*killed_with_parent(
                    str(self._binaries / "postgres"), "-D", data, "-p", str(self._port),
                    "-k", str(self._folder), "-c", "listen_addresses=127.0.0.1",
                    "-c", "fsync=off", "-c", "max_connections=300",
                    "-c", "full_page_writes=off", "-c", f"synchronous_commit={self._commit}",
                )),
                stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        until(lambda: _answers(self.url) or server.poll() is not None, 30, "PostgreSQL")
        assert server.poll() is None, (self._folder / "log").read_text()

    def stop(self) -> None:
        """Stop the server at once, as a crash of its machine would."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)  # immediate shutdown
            self._server.wait()
            self._server = None


def make_templates(url: str) -> None:
    """Create the two template databases."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "static").symlink_to(static_files(), target_is_directory=True)
        for template, source, command in (
            (TABLES, EMPTY, ["migrate", "-v0"]),
            (FIRST_ROWS, TABLES, ["shell", "-v0", "-c", FIRST_START]),
        ):
            environment = first_start(folder) | {
                "DATABASE_URL": copy_database(url, template, source)
            }
            subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=ROOT, env=without_settings() | environment, check=True,
            )  # fmt: skip


def copy_database(url: str, name: str, template: str = TABLES) -> str:
    """Create a database from a template, on the server of `url`; return its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return _sibling(url, name)


def is_empty(url: str) -> bool:
    """True if a database has no tables."""
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        return connection.execute(query).fetchone() == (0,)


def fill(url: str, template: str) -> None:
    """Replace a database by a copy of a template."""
    name, server = url.rpartition("/")[2], _sibling(url, "postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}")
    copy_database(server, name, template)


def _sibling(url: str, name: str) -> str:
    return url.rpartition("/")[0] + "/" + name


if __name__ == "__main__":
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # otherwise the server would outlive this process
    with Cluster() as cluster:
        make_templates(cluster.url)
        environment = os.environ | {
            "DATABASE_URL": cluster.url,
            "SUITE_POSTGRES": str(cluster.pid),
        }
        sys.exit(subprocess.call(killed_with_parent(*sys.argv[1:]), env=environment))
