"""`python -m tests.with_postgres COMMAND…`: run a command with DATABASE_URL on a new PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import free_port


def _as_postgres(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """The URL of an empty database of a server that ends with the block."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="sideline-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data, port = folder / "data", free_port()
    control = str(binaries / "pg_ctl")
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off -c max_connections=200"
    )
    run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(
        _as_postgres(str(binaries / "initdb"), "-A", "trust", "-U", "sideline", "-D", str(data)),
        **run,
    )
    subprocess.run(
        _as_postgres(
            control, "-w", "-D", str(data), "-l", str(folder / "log"), "-o", options, "start"
        ),
        **run,
    )
    try:
        yield f"postgres://sideline@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(_as_postgres(control, "-m", "immediate", "-D", str(data), "stop"), **run)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # else the server would outlive us
    with cluster() as url:
        sys.exit(subprocess.call(sys.argv[1:], env=os.environ | {"DATABASE_URL": url}))
