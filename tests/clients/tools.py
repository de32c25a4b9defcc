"""The tools of `tests/tools`, installed by `make tools`: Node packages and a generator of types."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests import ROOT
from tests.processes import killed_with_parent

TOOLS = ROOT / "tests" / "tools"
_ENVIRONMENT = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def run(command: str | Path, *arguments: object, folder: Path = TOOLS) -> str:
    """Run a tool of Node, or a program by its path; return what it printed.

    Raises `AssertionError` with its output if it fails, and if the tools are not installed.
    """
    program = command if isinstance(command, Path) else TOOLS / "node_modules" / ".bin" / command
    assert program.exists(), f"{program} is missing: run `make tools`."
    done = subprocess.run(
        killed_with_parent("env", *(f"{name}={value}" for name, value in _ENVIRONMENT.items()),
                           str(program), *map(str, arguments)),
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def node_command(script: str, client: Path, *arguments: object) -> list[str]:
    """Return the command that runs a script of this folder with the compiled client."""
    node = shutil.which("node")
    assert node
    missing_in_node_18 = ROOT / "tests" / "js" / "node18.js"
    ws = TOOLS / "node_modules" / "ws" / "wrapper.mjs"
    path = Path(__file__).with_name(script)
    return [node, "--import", *map(str, (missing_in_node_18, path, client, ws, *arguments))]


def node_version() -> tuple[int, ...]:
    """Return the version of Node, such as `(20, 19, 0)`."""
    text = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in text.strip().lstrip("v").split("."))
