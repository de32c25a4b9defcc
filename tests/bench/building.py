"""Build steps of the benchmark: two C programs and node's `ws`, in `.venv/bench`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests import ROOT

HERE = Path(__file__).resolve().parent
BUILD = ROOT / ".venv" / "bench"


def program(name: str) -> Path:
    """Return the path of the program `NAME.c`; compile it if the source is newer."""
    source, binary = HERE / f"{name}.c", BUILD / name
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", binary, source], check=True)
    return binary


def node_modules() -> Path:
    """Install what `servers/package-lock.json` names; return the folder of node_modules."""
    lock = HERE / "servers" / "package-lock.json"
    stamp = BUILD / "node_modules" / ".package-lock.json"
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / "servers" / name, BUILD)
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(["npm", "ci", *quiet], cwd=BUILD, check=True)
        stamp.touch()
    return BUILD
