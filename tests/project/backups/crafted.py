"""Backups that somebody has changed."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

Change = Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]


def rewritten(whole: Path, to: Path, change: Change) -> Path:
    """The backup with its members changed."""
    with tarfile.open(whole) as source, tarfile.open(to, "w") as tar:
        for member in source:
            content = source.extractfile(member)
            assert content is not None
            new, data = change(member, content.read())
            new.size = len(data)
            tar.addfile(new, io.BytesIO(data))
    return to


def renamed(name: str) -> Change:
    """The film under another name."""

    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name.endswith("final.mp4"):
            member.name = name
        return member, data

    return change


def linked(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """The film a link out of the folder."""
    if member.name.endswith("final.mp4"):
        member.type, member.linkname, data = tarfile.SYMTYPE, "/etc/passwd", b""
    return member, data


def retyped(name: str, typed: bytes, change: Callable[[tarfile.TarInfo], None]) -> Change:
    """That member made into one of this type, with what makes it so."""

    def changed(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name.endswith(name):
            member.type = typed
            change(member)
        return member, data

    return changed


def sparse_by_pax(member: tarfile.TarInfo) -> None:
    """A gigabyte of holes, said in a header."""
    member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**30)}


def flipped(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """The last byte of the database another one."""
    return member, data[:-1] + b"!" if member.name == "database" else data


def longer(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """An empty line behind the checksums."""
    return member, data + b"\n" * (member.name == "SHA256SUMS")


def redescribed(**changes: object) -> Change:
    """Other words in what the backup says of itself."""

    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name == "sideline.json":
            data = json.dumps(json.loads(data) | changes).encode()
        return member, data

    return change


def worded(text: bytes) -> Change:
    """Something else in place of what the backup says of itself."""

    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        return member, text if member.name == "sideline.json" else data

    return change


def announced(typed: bytes, size: int) -> bytes:
    """A header that says that so many bytes of names and the like follow."""
    header = tarfile.TarInfo("header")
    header.type, header.size = typed, size
    return header.tobuf(tarfile.GNU_FORMAT)


def nested(times: int) -> bytes:
    """Headers about headers."""
    return (announced(tarfile.XHDTYPE, 512) + b"12 path=abc\n".ljust(512, b"\0")) * times
