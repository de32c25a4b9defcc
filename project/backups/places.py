"""Which files of the data folder are in a backup, and where a restore moves existing ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

KEYS = ("secret.key", "field.key")
# Created by every start; `detectors` are copies of rows.
REGENERATED = ("static", "prepare.lock", "serving.lock", "detectors")
ASIDE = "replaced-"
MAX_DEPTH = 100  # nested folders; Python recurses into them


def tops(folder: Path, database: tuple[Path, ...]) -> list[Path]:
    """Return the entries of the data folder to back up: no database, keys, or regenerated files.

    Hidden entries are temporary.
    """
    return [path for path in sorted(folder.iterdir()) if belongs(path, database)]


def belongs(path: Path, database: tuple[Path, ...]) -> bool:
    """True if this path in the data folder is backed up, and so may be restored."""
    return (
        path.name not in (*KEYS, *REGENERATED)
        and not path.name.startswith((".", ASIDE))
        and _resolve_parent(path) not in map(_resolve_parent, database)
    )


def _resolve_parent(path: Path) -> Path:
    """Resolve links in the path of its folder."""
    return path.parent.resolve() / path.name


def files(top: Path, skipped: list[str]) -> Iterator[Path]:
    """Yield the files at or below `top`.

    `skipped` collects paths that are no files, too deep, or links to folders. `top` itself may be
    such a link, for example to another disk.
    """
    if not top.is_dir():
        yield from _file(top, skipped)
        return
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        if len(here.relative_to(top).parts) + 2 > MAX_DEPTH:  # with `data` and the top
            skipped.append(folder)
            folders.clear()
            continue
        skipped.extend(str(here / name) for name in folders if (here / name).is_symlink())
        for name in sorted(names):
            yield from _file(here / name, skipped)


def _file(path: Path, skipped: list[str]) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        skipped.append(str(path))


def create_aside(folder: Path) -> Path:
    """Create a folder in the data folder for the replaced files."""
    name = datetime.now(UTC).strftime(f"{ASIDE}%Y%m%d-%H%M%S")
    path = folder / name
    path.mkdir(mode=0o700)
    return path


def move_into(paths: list[Path], folder: Path) -> None:
    for path in paths:
        shutil.move(path, folder / path.name)
