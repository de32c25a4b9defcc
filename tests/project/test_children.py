"""What the environment of each process that the product starts holds: what it needs."""

from __future__ import annotations

import ast
import contextlib
import subprocess
import sys
from pathlib import Path

import psutil
from django.conf import settings

from project.child_processes import bare_environment
from tests import ROOT
from tests.installation import KEEPER, Installation
from tests.waiting import until

STARTERS = {"Popen", "run", "check_call", "check_output", "call", "create_subprocess_exec"}


def environments(installation: Installation) -> dict[str, dict[str, str]]:
    """Return the environments of the server's descendants, by command line."""
    found = {}
    for process in installation.children(""):
        with contextlib.suppress(psutil.NoSuchProcess):  # of a camera that was just removed
            if process.status() != psutil.STATUS_ZOMBIE and (environment := process.environ()):
                found[" ".join(process.cmdline())] = environment
    return found


def test_child_processes_get_only_what_they_need(installation: Installation) -> None:
    def both() -> dict[str, dict[str, str]] | None:
        found = environments(installation)
        kinds = ("manage.py ingest", "cameras.ingest.worker.main")
        return found if all(kind in str([*found]) for kind in kinds) else None

    signing_key = (installation.folder / "secret.key").read_text()
    for command, environment in until(both, 60, "a worker").items():
        assert KEEPER["password"] not in environment.values(), command
        names = {*environment} - {*bare_environment()} - {"LC_CTYPE"}
        permitted = {*settings.CHILD_ENVIRONMENT} if "manage.py ingest" in command else set()
        permitted |= {"SIDELINE_ALLOW_LOOPBACK_SOURCES", "DATABASE_URL"} if permitted else set()
        assert names <= permitted, command
        assert environment.get("SIDELINE_SECRET_KEY") != signing_key, command


def test_onnxruntime_collects_nothing_in_child_processes(tmp_path: Path) -> None:
    """Without the variable it writes a device id and a database, and sends what it collected."""
    environment = bare_environment() | {"HOME": str(tmp_path)}
    script = "import onnxruntime, os; print(len(os.listdir('/proc/self/task')))"
    command = [sys.executable, "-c", script]
    threads = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert int(threads) == 1
    assert not list(tmp_path.iterdir())


def test_every_process_is_started_with_an_environment_of_its_own() -> None:
    started = 0
    for folder in ("project", "cameras", "chats"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                module = node.func.value
                if not (isinstance(module, ast.Name) and module.id in ("subprocess", "asyncio")):
                    continue
                if node.func.attr in STARTERS and (module.id, node.func.attr) != ("asyncio", "run"):
                    started += 1
                    given = {keyword.arg for keyword in node.keywords}
                    assert "env" in given, f"{path}:{node.lineno}"
    assert started >= 6
