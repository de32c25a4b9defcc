"""`python -m tests.with_postgres COMMAND…`: run a command with DATABASE_URL on a new PostgreSQL.

The server is new in each run, and has databases from which others are copied in 0.3 s: with tables,
and with the rows of a first start. It ends with the command, or when this process is killed.
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
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests import ROOT
from tests.prepared import FIRST_START, first_start, static_files, without_settings
from tests.processes import bound
from tests.waiting import free_port, until

EMPTY, TABLES, FIRST_ROWS = "template1", "sideline_tables", "sideline_first_rows"


def _as_postgres(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", *command]


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False


@contextlib.contextmanager
def cluster() -> Iterator[tuple[str, int]]:
    """The URL of an empty database of a server that ends with the block, and the server's pid."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="sideline-postgres-"))
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    data, port = folder / "data", free_port()
    subprocess.run(
        _as_postgres(str(binaries / "initdb"), "-A", "trust", "-U", "sideline", "--no-sync",
                     "-D", str(data)),
        check=True, stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    url = f"postgres://sideline@127.0.0.1:{port}/"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            _as_postgres(*bound(
                str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder),
                "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300",
                "-c", "full_page_writes=off", "-c", "synchronous_commit=off",
            )),
            stdout=log, stderr=log, cwd="/",
        )  # fmt: skip
    try:
        until(lambda: _answers(url + "postgres") or server.poll() is not None, 30, "PostgreSQL")
        assert server.poll() is None, (folder / "log").read_text()
        yield url + "postgres", server.pid
    finally:
        server.send_signal(signal.SIGQUIT)  # its immediate end
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def make_templates(url: str) -> None:
    """Two databases that others are copied from."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "static").symlink_to(static_files(), target_is_directory=True)
        for template, source, command in (
            (TABLES, EMPTY, ["migrate", "-v0"]),
            (FIRST_ROWS, TABLES, ["shell", "-v0", "-c", FIRST_START]),
        ):
            environment = first_start(folder) | {"DATABASE_URL": copied(url, template, source)}
            subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=ROOT, env=without_settings() | environment, check=True,
            )  # fmt: skip


def copied(url: str, name: str, template: str = TABLES) -> str:
    """The URL of a new database beside that one: with tables, or as another template is."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return _sibling(url, name)


def is_empty(url: str) -> bool:
    """Whether a database has no tables."""
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        return connection.execute(query).fetchone() == (0,)


def fill(url: str, template: str) -> None:
    """Let a database be as the template, whatever it was before."""
    name, server = url.rpartition("/")[2], _sibling(url, "postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}")
    copied(server, name, template)


def _sibling(url: str, name: str) -> str:
    return url.rpartition("/")[0] + "/" + name


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else the server would outlive us
    with cluster() as (made, pid):
        make_templates(made)
        environment = os.environ | {"DATABASE_URL": made, "SUITE_POSTGRES": str(pid)}
        sys.exit(subprocess.call(bound(*sys.argv[1:]), env=environment))
