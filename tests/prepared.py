"""Prepared data that the suite's installations start from. Built once, until its sources change.

Static files, an SQLite database with tables, and one with the rows of a first start. They are in
`.venv/prepared`, with a hash of their sources in the name. `python -m tests.prepared` builds all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests import ROOT

DATABASE = "sideline.sqlite3"
DAY_S = 86_400
KEEPER = {"username": "keeper", "password": "a-long-test-password"}
# Like a first start with an administrator in the settings, but without detection for the demo
# camera: it would cost a fifth of a core in every running installation.
FIRST_START = """
from cameras.models import Camera
from project import installation
installation.prepare()
Camera.objects.update(detect=False)
"""
_FOLDER = ROOT / ".venv" / "prepared"


def _hash(paths: Iterable[Path]) -> str:
    """Hash the names and contents of files, and of all files in folders."""
    digest = hashlib.sha256(sys.version.encode())
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and file.suffix != ".pyc":
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _build(
    name: str, command: list[str], sources: Iterable[Path], static: Path | None = None
) -> Path:
    """Return a data folder in which a management command has run.

    `static` is a folder of static files that it starts with. Folders unused for a day are deleted.
    """
    folder = _FOLDER / f"{name}-{_hash([*sources, ROOT / 'requirements.txt'])}"
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            building = Path(tempfile.mkdtemp(dir=_FOLDER, prefix=f"{name}-"))
            if static is not None:
                (building / "static").symlink_to(static, target_is_directory=True)
            subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=ROOT, env=_environment(building), check=True,
            )  # fmt: skip
            building.rename(folder)
        os.utime(folder)
        for old in _FOLDER.glob(f"{name}-*"):
            if old.stat().st_mtime < time.time() - DAY_S:
                shutil.rmtree(old)
    return folder


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment with SQLite and without the developer's settings."""
    return without_settings() | first_start(folder)


def is_setting(name: str) -> bool:
    """True if the product reads this environment variable."""
    return name.startswith("SIDELINE_") or name in ("DATABASE_URL", "REDIS_URL")


def without_settings() -> dict[str, str]:
    """Return this process's environment without the product's variables."""
    return {name: value for name, value in os.environ.items() if not is_setting(name)}


def first_start(folder: Path) -> dict[str, str]:
    """Return the environment variables of the first start."""
    return {
        "SIDELINE_DATA_DIR": str(folder),
        "SIDELINE_ADMIN_USERNAME": KEEPER["username"],
        "SIDELINE_ADMIN_PASSWORD": KEEPER["password"],
    }


# The whole product: migrations import models, which import most of it.
_PRODUCT = [ROOT / "cameras", ROOT / "chats", ROOT / "project"]


@cache
def static_files() -> Path:
    """Return the folder that `collectstatic` creates."""
    sources = [ROOT / "static", ROOT / "project"]
    return _build("static", ["collectstatic", "--noinput", "-v0"], sources) / "static"


@cache
def tables() -> Path:
    """Return an SQLite file with tables and no rows."""
    return _build("tables", ["migrate", "-v0"], _PRODUCT) / DATABASE


@cache
def first_rows() -> Path:
    """Return an SQLite file after the first start."""
    sources = [*_PRODUCT, ROOT / "tests" / "prepared.py"]
    command = ["shell", "-v0", "-c", FIRST_START]
    return _build("first-rows", command, sources, static_files()) / DATABASE


def prepare_all() -> None:
    static_files()
    tables()
    first_rows()


if __name__ == "__main__":
    prepare_all()
