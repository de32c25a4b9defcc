"""A backup taken apart. Its headers are a stranger's: none is believed before it is checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Self

from project.backups.archive import (
    DATA,
    DATABASE,
    FIRST,
    FORMAT,
    KEYS,
    LAST,
    BadBackup,
    Description,
)
from project.backups.places import DEEPEST

CHUNK = 1 << 20
DESCRIPTION_MOST = 1 << 20  # bytes
HEADER_MOST = 1 << 16  # bytes: room for the longest path there is
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
ODD = "This is not a backup of Sideline: it holds what no backup holds."


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
        except (ValueError, KeyError, TypeError, RecursionError):
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
    deep = len(place.parts) - 1 > DEEPEST
    if not known or deep or not _is_plain(member) or ".." in place.parts:
        raise BadBackup(ODD)
    return place


def _is_plain(member: tarfile.TarInfo, most: float = math.inf) -> bool:
    """A file as it is. `isreg` would be content with sparse ones: some bytes that become a disk."""
    return member.type in PLAIN and not member.issparse() and 0 <= member.size <= most


class _Header(tarfile.TarInfo):
    """Refused before what it announces is read: tarfile takes a header's word for its length."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        made = super().frombuf(buf, encoding, errors)
        if made.type not in (*PLAIN, tarfile.XHDTYPE):
            raise BadBackup(ODD)
        if made.type == tarfile.XHDTYPE and not 0 <= made.size <= HEADER_MOST:
            raise BadBackup(ODD)
        return made


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, OverflowError):  # such as a time that is none
        raise BadBackup("This backup is damaged, or cut short.") from None
    except (RecursionError, MemoryError):  # headers of headers, without end
        raise BadBackup(ODD) from None


@contextlib.contextmanager
def reading(file: Path) -> Iterator[Reader]:
    """A backup opened. Raises `BadBackup`, `OSError`."""
    with contextlib.ExitStack() as stack:
        with _plainly():
            tar = stack.enter_context(tarfile.open(file, mode="r:", tarinfo=_Header))
            reader = Reader(tar, file.stat().st_size)
        yield reader
