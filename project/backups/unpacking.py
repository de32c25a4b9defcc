"""Reads and unpacks backups. Their headers are untrusted and validated first."""

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
from project.backups.places import MAX_DEPTH

CHUNK = 1 << 20
MAX_DESCRIPTION = 1 << 20  # bytes
MAX_HEADER = 1 << 16  # bytes; longer than any path
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
UNEXPECTED = "This is not a backup of Sideline: it has unexpected content."


class Reader:
    """An opened backup of `size` bytes."""

    def __init__(self, tar: tarfile.TarFile, size: int) -> None:
        self._tar, self._left = tar, size
        self.description = self._describe()

    def _describe(self) -> Description:
        first = self._tar.next()
        if not (first and first.name == FIRST and _is_plain(first, MAX_DESCRIPTION)):
            raise BadBackup("This is not a backup of Sideline.")
        try:
            fields = json.loads(self._content(first))
            if fields["format"] != FORMAT:
                raise BadBackup("This backup is of a newer version of Sideline: install that one.")
            return Description(**fields)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadBackup("This is not a backup of Sideline.") from None

    def unpack(self, folder: Path) -> None:
        """Write all files below `folder`, with mode 0600, and verify their checksums.

        Raises `BadBackup`; the caller must then discard the folder.
        """
        lines = []
        with _translated_errors():
            while (member := self._tar.next()) is not None:
                if member.name == LAST:
                    break
                lines.append(f"{self._unpack(member, folder)}  {member.name}\n")
            if member is None:
                raise BadBackup("This backup is cut short.")
            sums = "".join(lines)  # after the line of the description
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
    """Return the relative path of a file. Raises `BadBackup` if it is not allowed."""
    place = PurePosixPath(member.name)
    known = place.parts[:1] in ((DATA,), (KEYS,)) or member.name == DATABASE
    deep = len(place.parts) - 1 > MAX_DEPTH
    if not known or deep or not _is_plain(member) or ".." in place.parts:
        raise BadBackup(UNEXPECTED)
    return place


def _is_plain(member: tarfile.TarInfo, max_size: float = math.inf) -> bool:
    """True for a regular file of at most `max_size` bytes. `isreg` also accepts sparse files."""
    return member.type in PLAIN and not member.issparse() and 0 <= member.size <= max_size


class _Header(tarfile.TarInfo):
    """Refuses a header before tarfile reads as many bytes as it announces."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type not in (*PLAIN, tarfile.XHDTYPE):
            raise BadBackup(UNEXPECTED)
        if header.type == tarfile.XHDTYPE and not 0 <= header.size <= MAX_HEADER:
            raise BadBackup(UNEXPECTED)
        return header


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, OverflowError):  # such as an invalid time
        raise BadBackup("This backup is damaged, or cut short.") from None
    except (RecursionError, MemoryError):  # endlessly nested headers
        raise BadBackup(UNEXPECTED) from None


@contextlib.contextmanager
def reading(file: Path) -> Iterator[Reader]:
    """Open a backup. Raises `BadBackup` or `OSError`."""
    with contextlib.ExitStack() as stack:
        with _translated_errors():
            tar = stack.enter_context(tarfile.open(file, mode="r:", tarinfo=_Header))
            reader = Reader(tar, file.stat().st_size)
        yield reader
