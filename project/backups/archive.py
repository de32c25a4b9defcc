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
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

FORMAT = 1
FIRST, DATABASE, DATA, KEYS, LAST = "sideline.json", "database", "data", "keys", "SHA256SUMS"


class BadBackup(Exception):
    """The file is not a backup of Sideline, is damaged, or does not fit this installation."""


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
        if datetime.fromisoformat(self.made_at).utcoffset() != timedelta():
            raise ValueError("no time in UTC")
        if not isinstance(self.keys, bool) or not isinstance(self.migrations, list):
            raise TypeError("of another kind")
        if not all(isinstance(one, str) and one.isprintable() for one in self._words()):
            raise ValueError("not to be shown")

    def _words(self) -> list[str]:
        return [self.vendor, *self.migrations]


class Writer:
    """Adds files to the archive and records their checksums."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._sums: list[str] = []
        self.files = 0

    def add(self, name: str, path: Path) -> None:
        """Add a file. Raises `OSError` if it does not exist or shrinks while it is read."""
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            self._add(name, file, facts.st_size, int(facts.st_mtime))
        self.files += 1

    def add_text(self, name: str, text: str) -> None:
        content = text.encode()
        self._add(name, io.BytesIO(content), len(content), int(time.time()))

    def finish(self) -> None:
        """Add the checksums, which complete the archive."""
        self.add_text(LAST, "".join(self._sums))

    def _add(self, name: str, file: IO[bytes], size: int, changed: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, changed, 0o600
        source = _Hashing(file)
        self._tar.addfile(member, source)
        self._sums.append(f"{source.sum.hexdigest()}  {name}\n")


class _Hashing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        got = self._file.read(size)
        self.sum.update(got)
        return got


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
