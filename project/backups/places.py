"""Which files of the data folder a backup holds, and where they go when another comes in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

KEYS = ("secret.key", "field.key")
# By every start; `detectors` are copies of what the database holds.
MADE_ANEW = ("static", "prepare.lock", "serving.lock", "detectors")
ASIDE = "replaced-"
DEEPEST = 100  # folders that a file lies in; Python goes down them one inside the other


def tops(folder: Path, database: tuple[Path, ...]) -> list[Path]:
    """What lies in the data folder and is neither the database, nor a key, nor made anew.

    Names with a dot in front are work in progress.
    """
    return [path for path in sorted(folder.iterdir()) if belongs(path, database)]


def belongs(path: Path, database: tuple[Path, ...]) -> bool:
    """Whether this, in the data folder, goes with a backup; and so may come out of one."""
    return (
        path.name not in (*KEYS, *MADE_ANEW)
        and not path.name.startswith((".", ASIDE))
        and _true(path) not in map(_true, database)
    )


def _true(path: Path) -> Path:
    """Without links in its folder, which may be named in two ways."""
    return path.parent.resolve() / path.name


def files(top: Path, odd: list[str]) -> Iterator[Path]:
    """The files at or below it; `odd` collects what is no file, too deep, or a link to a folder.

    The top itself may be such a link: to a larger disk, say.
    """
    if not top.is_dir():
        yield from _file(top, odd)
        return
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        if len(here.relative_to(top).parts) + 2 > DEEPEST:  # with `data` and the top
            odd.append(folder)
            folders.clear()
            continue
        odd.extend(str(here / name) for name in folders if (here / name).is_symlink())
        for name in sorted(names):
            yield from _file(here / name, odd)


def _file(path: Path, odd: list[str]) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        odd.append(str(path))


def aside(folder: Path) -> Path:
    """A new folder in the data folder for what was there before."""
    name = datetime.now(UTC).strftime(f"{ASIDE}%Y%m%d-%H%M%S")
    made = folder / name
    made.mkdir(mode=0o700)
    return made


def move_into(paths: list[Path], folder: Path) -> None:
    for path in paths:
        shutil.move(path, folder / path.name)
