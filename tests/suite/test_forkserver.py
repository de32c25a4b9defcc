"""Commands that run as forks behave as in new processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import ROOT
from tests.forkserver import Fork, fork
from tests.waiting import until


def shell(tmp_path: Path, script: str, **environment: str) -> tuple[Fork, Path]:
    """Run a script in `manage.py shell`; return the command and its output file."""
    output = tmp_path / "output.txt"
    with output.open("wb") as file:
        settings = {"PATH": os.environ["PATH"], "SIDELINE_DATA_DIR": str(tmp_path)} | environment
        return fork(["shell", "-v0", "-c", script], settings, file.fileno()), output


def test_command_has_the_given_environment_and_no_other(tmp_path: Path) -> None:
    script = "import os; print(sorted(os.environ))"
    command, output = shell(tmp_path, script, GIVEN="1")
    assert command.wait(30) == 0
    given = [
        "DJANGO_SETTINGS_MODULE",
        "GIVEN",
        "PATH",
        "SIDELINE_DATA_DIR",
        "TZ",
    ]  # two are set by Django
    assert output.read_text().strip() == str(given)


def test_command_has_its_own_settings_session_and_arguments(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from django.conf import settings\n"
        "print(settings.DATA_DIR, os.path.basename(sys.argv[0]), os.getsid(0) == os.getpid())"
    )
    command, output = shell(tmp_path, script)
    assert command.wait(30) == 0
    assert output.read_text().split() == [str(tmp_path), "manage.py", "True"]


def test_server_loads_no_product_settings_or_reactor() -> None:
    script = (
        "import sys\n"
        "from tests.forkserver import preload\n"
        "preload()\n"
        "from django.conf import settings\n"
        "ours = {'project', 'cameras', 'chats', 'twisted.internet.reactor'} & set(sys.modules)\n"
        "print(ours, settings.configured)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["set()", "False"]


@pytest.mark.parametrize(
    ("script", "status", "printed"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('words')", 1, "words"),
        ("raise ValueError('in the script')", 1, "ValueError: in the script"),
        ("import atexit; atexit.register(print, 'at the end')", 0, "at the end"),
        (
            "import tempfile, weakref; kept = tempfile.TemporaryDirectory()\n"
            "weakref.finalize(kept, print, 'finalized')",
            0,
            "finalized",
        ),
        ("import os; os.abort()", -signal.SIGABRT, ""),
    ],
)
def test_exit_status_and_output(tmp_path: Path, script: str, status: int, printed: str) -> None:
    command, output = shell(tmp_path, script)
    assert command.wait(30) == status
    assert command.poll() == status
    assert printed in output.read_text()


def test_command_can_be_awaited_and_terminated(tmp_path: Path) -> None:
    command, output = shell(tmp_path, "print('begun'); import time; time.sleep(600)")
    until(lambda: "begun" in output.read_text(), 30, "its output, before it ends")
    assert command.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(0.01)
    command.terminate()
    assert command.wait(30) == -signal.SIGTERM
    command.kill()  # it has ended already


def test_orphans_of_a_killed_command_are_reaped(tmp_path: Path) -> None:
    script = (
        "import subprocess, time\n"
        "print(subprocess.Popen(['sleep', '600']).pid, flush=True)\n"
        "time.sleep(600)"
    )
    command, output = shell(tmp_path, script)
    until(lambda: output.read_text().endswith("\n"), 30, "its child")
    child = psutil.Process(int(output.read_text()))
    command.kill()
    assert command.wait(30) == -signal.SIGKILL
    child.kill()
    until(lambda: not psutil.pid_exists(child.pid), 30, "the end of its child, without a zombie")
