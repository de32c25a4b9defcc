"""The file format of backups: a tar with a description first and checksums last.

    sideline.json       a `Description`
    database            a copy of SQLite's file, or what pg_dump made
    data/media/…        files of the data folder
    keys/secret.key …   only with --with-keys
    SHA256SUMS          of all the above, as sha256sum reads it

A file without checksums is incomplete. Nothing of it is used before all checksums are verified.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, cast

from django.core.management.base import CommandError

FORMAT = 1
FIRST, DATABASE, DATA, KEYS, LAST = "sideline.json", "database", "data", "keys", "SHA256SUMS"
KEY_FILES = ("secret.key", "field.key")
# Created by every start; `detectors` are copies of rows.
REGENERATED = ("static", "prepare.lock", "serving.lock", "detectors")
ASIDE = "replaced-"  # folders of what a restore replaced
MAX_DEPTH = 100  # of paths in the data folder; Python recurses into folders


@dataclass(frozen=True, slots=True)
class Description:
    """The description of a backup. `made_at` is RFC 3339 UTC; a migration is `app.name`.

    Raises `ValueError` or `TypeError` for invalid values.
    """

    made_at: str
    vendor: str
    keys: bool
    migrations: list[str]
    format: int = FORMAT

    def __post_init__(self) -> None:
        datetime.fromisoformat(self.made_at)
        if not all(map(str.isprintable, [self.vendor, *self.migrations])):
            raise ValueError("not to be shown")


def tops(folder: Path, database: Collection[str]) -> list[Path]:
    """Return the entries of the data folder to back up. `database` are names of its files."""
    return [path for path in sorted(folder.iterdir()) if _belongs(path.name, database)]


def _belongs(top: str, database: Collection[str]) -> bool:
    """False for the database, keys, regenerated files and hidden ones, which are temporary."""
    return top not in (*KEY_FILES, *REGENERATED, *database) and not top.startswith((".", ASIDE))


def files(folder: Path, database: Collection[str], skipped: list[str]) -> Iterator[Path]:
    """Yield the files of the data folder to back up.

    `skipped` collects paths that are no files, too deep, or links to folders. An entry of the data
    folder may be such a link, for example to another disk.
    """
    for top in tops(folder, database):
        below = ((here, [*names, *folders]) for here, folders, names in os.walk(top))
        for here, names in below if top.is_dir() else [(folder, [top.name])]:
            for path in (Path(here, name) for name in sorted(names)):
                if path.is_file() and len(path.relative_to(folder).parts) <= MAX_DEPTH:
                    yield path
                elif not path.is_dir() or path.is_symlink():
                    skipped.append(str(path))


class _Hashing:
    """A file with the checksum of what was read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        got = self._file.read(size)
        self.sum.update(got)
        return got

    def line(self, name: str) -> bytes:
        return os.fsencode(f"{self.sum.hexdigest()}  {name}\n")


class Writer:
    """Adds files to the archive and records their checksums."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._sums: list[bytes] = []
        self.files = 0

    def add(self, name: str, path: Path) -> None:
        """Add a file. Raises `OSError` if it does not exist or shrinks while it is read."""
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            self._add(name, file, facts.st_size, facts.st_mtime)
        self.files += 1

    def add_text(self, name: str, text: str) -> None:
        content = text.encode()
        self._add(name, io.BytesIO(content), len(content), time.time())

    def finish(self) -> None:
        """Add the checksums, which complete the archive."""
        content = b"".join(self._sums)
        self._add(LAST, io.BytesIO(content), len(content), time.time())

    def _add(self, name: str, file: IO[bytes], size: int, changed: float) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, int(changed), 0o600
        source = _Hashing(file)
        self._tar.addfile(member, source)
        self._sums.append(source.line(name))


@contextlib.contextmanager
def writing(target: Path, description: Description) -> Iterator[Writer]:
    """Create a backup, with mode 0600. It gets its name when it is complete."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # mode 0600
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = Writer(tar)
                writer.add_text(FIRST, json.dumps(asdict(description)))
                yield writer
                writer.finish()
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def unpack(file: Path, folder: Path, database: Collection[str]) -> Description:
    """Unpack a backup into an empty folder and verify its checksums.

    Raises `CommandError` or `OSError`; the caller must then discard the folder. The filters of
    tarfile are not used: Python 3.11.2 of Debian 12 lacks them.
    """
    sums: list[bytes] = []
    try:
        with tarfile.open(file, "r|") as tar:  # a stream: no header makes it read ahead
            for member in tar:
                if not sums and member.name != FIRST:
                    raise CommandError("This is not a backup of Sideline.")
                _require_expected(member, database)
                line = _extract(tar, member, folder / member.name)
                if member.name == FIRST:
                    description = _read_description(folder / FIRST)
                if member.name == LAST:
                    break
                sums.append(line)
    except (RecursionError, MemoryError):  # endlessly nested headers
        raise CommandError("This is not a backup of Sideline: it has unexpected content.") from None
    except (tarfile.TarError, EOFError, ValueError, OverflowError):  # such as an invalid time
        raise CommandError("This backup is damaged, or cut short.") from None
    if not (folder / LAST).exists():
        raise CommandError("This backup is cut short.")
    if (folder / LAST).read_bytes() != b"".join(sums):
        raise CommandError("This backup is damaged: its checksums do not fit.")
    if not (folder / DATABASE).exists():
        raise CommandError("This backup is damaged: it holds no database.")
    return description


def _require_expected(member: tarfile.TarInfo, database: Collection[str]) -> None:
    """Raise `CommandError` unless this is a regular file which a backup may contain."""
    top, *below = PurePosixPath(member.name).parts
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
    known = top in (DATA, KEYS) if below else top in (FIRST, DATABASE, LAST)
    if not plain or not known or ".." in below or len(below) > MAX_DEPTH:
        raise CommandError("This is not a backup of Sideline: it has unexpected content.")
    if (top == DATA and not _belongs(below[0], database)) or (
        top == KEYS and (len(below) > 1 or below[0] not in KEY_FILES)
    ):
        raise CommandError(
            f"This is not a backup of Sideline: it holds “{below[0]}”, "
            "which is not part of a backup."
        )


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> bytes:
    """Write a file, which must not exist yet; return its line of the checksums."""
    to.parent.mkdir(parents=True, exist_ok=True)
    source = _Hashing(cast(IO[bytes], tar.extractfile(member)))  # not None: a regular file
    with to.open("xb") as out:  # manage.py's umask keeps it from others
        shutil.copyfileobj(source, out)
    os.utime(to, (member.mtime, member.mtime))
    return source.line(member.name)


def _read_description(file: Path) -> Description:
    try:
        fields = json.loads(file.read_bytes())
        if fields["format"] != FORMAT:
            raise CommandError("This backup is of a newer version of Sideline: install that one.")
        return Description(**fields)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CommandError("This is not a backup of Sideline.") from None
