"""A killed run leaves no process behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import ROOT
from tests.processes import command_line, killed_with_parent, still_running
from tests.waiting import until

pytestmark = pytest.mark.extended

# Starts each kind of process that tests use, then creates a file.
TESTS = """
import time
from pathlib import Path
from tests.browser import chromium
from tests.endpoint import endpoint
from tests.installation import installed
from tests.nginx import nginx
from tests.redis import RedisServer
from tests.servers import rtsp_server
from tests.processes import killed_with_parent
from tests.waiting import free_port

def test_one(tmp_path):
    port = free_port()
    site = "server { listen 127.0.0.1:%d; location / { return 200; } }" % port
    for name in ("data", "nginx", "redis", "new"):
        (tmp_path / name).mkdir()
    with (
        installed(tmp_path / "data") as installation, RedisServer(tmp_path / "redis"), chromium(),
        nginx(tmp_path / "nginx", site, port),
        rtsp_server(), installed(tmp_path / "new", SIDELINE_DEMO="0") as new,
    ):
        installation.serve()
        new.serve(new=True)
        Path(STARTED).touch()
        time.sleep(600)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("workers", "postgres"), [(0, False), (2, False), (0, True)], ids=["one", "two", "PostgreSQL"]
)
def test_killed_run_leaves_no_process(tmp_path: Path, workers: int, postgres: bool) -> None:
    started = tmp_path / "started"
    (tmp_path / "test_run.py").write_text(f"STARTED = {str(started)!r}\n{TESTS}")
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(workers),
        "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), str(tmp_path / "test_run.py"),
    ]  # fmt: skip
    if postgres:
        command = [sys.executable, "-m", "tests.with_postgres", *command]
    with (tmp_path / "log.txt").open("wb") as log:
        run = subprocess.Popen(killed_with_parent(*command), cwd=ROOT, stdout=log, stderr=log)
    try:
        until(lambda: started.exists() or run.poll() is not None, 200, "all its processes")
        assert run.poll() is None, (tmp_path / "log.txt").read_text()
        descendants = psutil.Process(run.pid).children(recursive=True)
        names = " ".join(map(command_line, descendants))
        for what in ("chromium", "redis-server", "nginx", "gst_rtsp_loop", "manage.py ingest",
                     "manage.py serve", "cameras.ingest.worker.main", "tests.forkserver",
                     *(["bin/postgres"] if postgres else [])):  # fmt: skip
            assert what in names, what
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    _, alive = psutil.wait_procs(descendants, 60)
    assert [command_line(one) or one for one in still_running(alive)] == []
