"""A backup as one file: a tar that says first what it is and last what it should hold.

    sideline.json       a `Description`
    database            a copy of SQLite's file, or what pg_dump made
    data/media/…        files of the data folder
    keys/secret.key …   only where they were asked for
    SHA256SUMS          of all the above, as sha256sum reads it

A file without its sums is cut short. Nothing of one is believed before all of it was compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO

FORMAT = 1
FIRST, DATABASE, DATA, KEYS, LAST = "sideline.json", "database", "data", "keys", "SHA256SUMS"
CHUNK = 1 << 20
DESCRIPTION_MOST = 1 << 20  # bytes


class BadBackup(Exception):
    """The file is no backup of ours, is damaged, or is not for this installation; says so."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a backup is. `made_at` is RFC 3339 UTC, a migration `app.name`."""

    made_at: str
    vendor: str
    keys: bool
    migrations: list[str]
    format: int = FORMAT


class Writer:
    """Puts files into the archive, and remembers their sums."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._sums: list[str] = []
        self.files = 0

    def add(self, name: str, path: Path) -> None:
        """A file as it is now. Raises `OSError` where it is gone, or shrinks meanwhile."""
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            self._add(name, file, facts.st_size, int(facts.st_mtime))
        self.files += 1

    def add_text(self, name: str, text: str) -> None:
        content = text.encode()
        self._add(name, io.BytesIO(content), len(content), int(time.time()))

    def finish(self) -> None:
        """Add the sums; the archive is whole then."""
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
    """Fill a new backup, for its owner's eyes alone. It has its name only when it is whole."""
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


class Reader:
    """An opened backup of `size` bytes: what it says of itself, and what is in it, no more."""

    def __init__(self, tar: tarfile.TarFile, size: int) -> None:
        self._tar, self._left = tar, size
        self.description = self._describe()

    def _describe(self) -> Description:
        first = self._tar.next()
        if not (first and first.name == FIRST and _is_plain(first, DESCRIPTION_MOST)):
            raise BadBackup("This is not a backup of Sideline.")
        try:
            told = json.loads(self._content(first))
            if told["format"] != FORMAT:
                raise BadBackup("This backup is of a newer version of Sideline: install that one.")
            return Description(**told)
        except (ValueError, KeyError, TypeError):
            raise BadBackup("This is not a backup of Sideline.") from None

    def unpack(self, folder: Path) -> None:
        """Write all files below `folder`, each with mode 0600, and compare their sums.

        Raises `BadBackup`; what was written by then is to be thrown away.
        """
        lines = []
        with _plainly():
            while (member := self._tar.next()) is not None:
                if member.name == LAST:
                    break
                lines.append(f"{self._unpack(member, folder)}  {member.name}\n")
            if member is None:
                raise BadBackup("This backup is cut short.")
            sums = "".join(lines)  # and before it a line of the description; no more is read
            size = 64 + len(f"  {FIRST}\n") + len(sums.encode())
            fits = _is_plain(member) and member.size == size
            if not fits or self._content(member).decode().partition("\n")[2] != sums:
                raise BadBackup("This backup is damaged: its checksums do not fit.")

    def _unpack(self, member: tarfile.TarInfo, folder: Path) -> str:
        to = folder / _place(member)
        self._left -= member.size
        if self._left < 0:
            raise BadBackup("This backup is damaged, or cut short: it says more than it holds.")
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        total = hashlib.sha256()
        source = self._tar.extractfile(member)
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            while source is not None and (chunk := source.read(CHUNK)):
                total.update(chunk)
                out.write(chunk)
        os.utime(to, (member.mtime, member.mtime))
        return total.hexdigest()

    def _content(self, member: tarfile.TarInfo) -> bytes:
        file = self._tar.extractfile(member)
        return file.read() if file is not None else b""


def _place(member: tarfile.TarInfo) -> PurePosixPath:
    """Where a file goes, below the folder. Raises `BadBackup` for whatever leads elsewhere."""
    place = PurePosixPath(member.name)
    known = place.parts[:1] in ((DATA,), (KEYS,)) or member.name == DATABASE
    if not known or not _is_plain(member) or ".." in place.parts:
        raise BadBackup("This is not a backup of Sideline: it holds what no backup holds.")
    return place


def _is_plain(member: tarfile.TarInfo, most: float = math.inf) -> bool:
    """A file as it is. `isreg` would be content with sparse ones: some bytes that become a disk."""
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
    return plain and 0 <= member.size <= most


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, OverflowError):  # such as a time that is none
        raise BadBackup("This backup is damaged, or cut short.") from None


@contextlib.contextmanager
def reading(file: Path) -> Iterator[Reader]:
    """A backup opened. Raises `BadBackup`, `OSError`."""
    with contextlib.ExitStack() as stack:
        with _plainly():
            tar = stack.enter_context(tarfile.open(file, mode="r:"))
            reader = Reader(tar, file.stat().st_size)
        yield reader
