"""What every installation of the suite starts from: made once, kept until its sources change.

Static files, an SQLite database with tables, and one with the rows of a first start. They lie in
`.venv/prepared`, named by a hash of their sources, so that the next run finds them.
`python -m tests.prepared` makes all three.
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
A_DAY_S = 86_400
KEEPER = {"username": "keeper", "password": "a-long-test-password"}
# What a first start makes, by an administrator of the settings; but its demo camera detects
# nothing: that would cost a fifth of a core in every installation for as long as it runs.
FIRST_START = """
from cameras.models import Camera
from project import installation
installation.prepare()
Camera.objects.update(detect=False)
"""
_FOLDER = ROOT / ".venv" / "prepared"


def _hash(paths: Iterable[Path]) -> str:
    """Of the names and contents of these files, and of all files in these folders."""
    digest = hashlib.sha256(sys.version.encode())
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and file.suffix != ".pyc":
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _made(
    name: str, command: list[str], sources: Iterable[Path], static: Path | None = None
) -> Path:
    """A data folder in which a management command has run.

    `static` are the static files that it starts with. Folders unused for a day are deleted.
    """
    folder = _FOLDER / f"{name}-{_hash([*sources, ROOT / 'requirements.txt'])}"
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = Path(tempfile.mkdtemp(dir=_FOLDER, prefix=f"{name}-"))
            if static is not None:
                (making / "static").symlink_to(static, target_is_directory=True)
            subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=ROOT, env=_environment(making), check=True,
            )  # fmt: skip
            making.rename(folder)
        os.utime(folder)
        for old in _FOLDER.glob(f"{name}-*"):
            if old.stat().st_mtime < time.time() - A_DAY_S:
                shutil.rmtree(old)
    return folder


def _environment(folder: Path) -> dict[str, str]:
    """On SQLite whatever database the run is about, and with no setting of its developer."""
    return without_settings() | first_start(folder)


def is_setting(name: str) -> bool:
    """Whether the product reads this variable of the environment."""
    return name.startswith("SIDELINE_") or name in ("DATABASE_URL", "REDIS_URL")


def without_settings() -> dict[str, str]:
    """This process's environment without what the product reads."""
    return {name: value for name, value in os.environ.items() if not is_setting(name)}


def first_start(folder: Path) -> dict[str, str]:
    """The settings of that first start."""
    return {
        "SIDELINE_DATA_DIR": str(folder),
        "SIDELINE_ADMIN_USERNAME": KEEPER["username"],
        "SIDELINE_ADMIN_PASSWORD": KEEPER["password"],
    }


# All of the product: its migrations import models, and those import much else.
_PRODUCT = [ROOT / "cameras", ROOT / "chats", ROOT / "project"]


@cache
def static_files() -> Path:
    """The folder that `collectstatic` makes."""
    sources = [ROOT / "static", ROOT / "project"]
    return _made("static", ["collectstatic", "--noinput", "-v0"], sources) / "static"


@cache
def tables() -> Path:
    """An SQLite file with tables and no rows."""
    return _made("tables", ["migrate", "-v0"], _PRODUCT) / DATABASE


@cache
def first_rows() -> Path:
    """An SQLite file after the first start."""
    sources = [*_PRODUCT, ROOT / "tests" / "prepared.py"]
    command = ["shell", "-v0", "-c", FIRST_START]
    return _made("first-rows", command, sources, static_files()) / DATABASE


def everything() -> None:
    static_files()
    tables()
    first_rows()


if __name__ == "__main__":
    everything()
