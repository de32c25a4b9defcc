"""Manipulated backups."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

Change = Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]


def rewritten(whole: Path, to: Path, change: Change) -> Path:
    """Write the backup with its members changed."""
    with tarfile.open(whole) as source, tarfile.open(to, "w") as tar:
        for member in source:
            content = source.extractfile(member)
            assert content is not None
            new, data = change(member, content.read())
            new.size = len(data)
            tar.addfile(new, io.BytesIO(data))
    return to


def renamed(name: str) -> Change:
    """Rename the film."""

    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name.endswith("final.mp4"):
            member.name = name
        return member, data

    return change


def linked(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """Replace the film by a link out of the folder."""
    if member.name.endswith("final.mp4"):
        member.type, member.linkname, data = tarfile.SYMTYPE, "/etc/passwd", b""
    return member, data


def retyped(name: str, typed: bytes, change: Callable[[tarfile.TarInfo], None]) -> Change:
    """Change the type of a member, and let `change` adapt its header."""

    def changed(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name.endswith(name):
            member.type = typed
            change(member)
        return member, data

    return changed


def sparse_by_pax(member: tarfile.TarInfo) -> None:
    """Announce a gigabyte of holes in a header."""
    member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**30)}


def flipped(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """Change the last byte of the database."""
    return member, data[:-1] + b"!" if member.name == "database" else data


def longer(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """Add an empty line to the checksums."""
    return member, data + b"\n" * (member.name == "SHA256SUMS")


def redescribed(**changes: object) -> Change:
    """Change fields of the description, and its checksum."""
    digest = b""

    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        nonlocal digest
        if member.name == "sideline.json":
            data = json.dumps(json.loads(data) | changes).encode()
            digest = hashlib.sha256(data).hexdigest().encode()
        if member.name == "SHA256SUMS":
            data = digest + data[len(digest) :]
        return member, data

    return change


def worded(text: bytes) -> Change:
    """Replace the description."""

    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        return member, text if member.name == "sideline.json" else data

    return change


def announced(typed: bytes, size: int) -> bytes:
    """Return a header that announces `size` bytes of metadata."""
    header = tarfile.TarInfo("header")
    header.type, header.size = typed, size
    return header.tobuf(tarfile.GNU_FORMAT)


def nested(times: int) -> bytes:
    """Return nested headers."""
    return (announced(tarfile.XHDTYPE, 512) + b"12 path=abc\n".ljust(512, b"\0")) * times
