"""Damaged and manipulated backups are refused."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from django.core.management import CommandError

from project.backups import archive
from tests.project.backups.crafted import (
    Change,
    announced,
    flipped,
    linked,
    longer,
    nested,
    redescribed,
    renamed,
    retyped,
    rewritten,
    sparse_by_pax,
    worded,
)
from tests.project.backups.holdings import FILM


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (renamed("data/../../outside.mp4"), "has unexpected content"),
        (renamed("/outside.mp4"), "has unexpected content"),
        (renamed("static/outside.js"), "has unexpected content"),
        (linked, "has unexpected content"),
        (flipped, "checksums do not fit"),
        (retyped("final.mp4", tarfile.REGTYPE, sparse_by_pax), "has unexpected content"),
        (retyped("final.mp4", tarfile.CONTTYPE, lambda _: None), "has unexpected content"),
        (retyped("SUMS", tarfile.REGTYPE, sparse_by_pax), "has unexpected content"),
        (longer, "checksums do not fit"),
        (redescribed(format=2), "newer version"),
        (redescribed(surprise=1), "not a backup"),
        (worded(b"[" * 900_000), "not a backup"),
        (renamed("data/media" + "/d" * 1500), "has unexpected content"),
        (-3 * 512 - len(FILM), "cut short"),
        (3000, "damaged, or cut short"),
        (100, "damaged, or cut short"),
    ],
    ids=["up", "absolute", "elsewhere", "link", "flipped", "sparse", "contiguous", "sparse sums",
         "long sums", "format", "described", "brackets", "deep", "cut", "early", "short"],
)  # fmt: skip
def test_bad_backup_is_refused(
    small: Path, tmp_path: Path, change: Change | int, sentence: str
) -> None:
    bad, into = tmp_path / "bad.tar", tmp_path / "a" / "b"
    if callable(change):
        rewritten(small, bad, change)
    else:
        bad.write_bytes(small.read_bytes()[:change])
    with pytest.raises(CommandError) as refused:
        archive.unpack(bad, into, ())
    assert sentence in str(refused.value)
    assert not [path for path in tmp_path.rglob("outside*") if into not in path.parents]


@pytest.mark.parametrize("which", [1, 3], ids=["a file", "the sums"])
def test_sparse_file_is_not_expanded(small: Path, tmp_path: Path, which: int) -> None:
    """GNU's sparse files, as `tar --sparse` writes them: a header, and next to no data."""
    bad, into = tmp_path / "bad.tar", tmp_path / "into"
    with tarfile.open(small) as source, bad.open("wb") as to:
        for n, member in enumerate(source):
            content = source.extractfile(member)
            assert content is not None
            if n != which + (which == 1):
                data = content.read()
                to.write(member.tobuf(tarfile.USTAR_FORMAT) + data + b"\0" * (-len(data) % 512))
                continue
            header = bytearray(512)
            header[: len(member.name)] = member.name.encode()
            header[100:108], header[124:136] = b"0000600\0", b"%011o\0" % 512
            header[136:148], header[156:157] = b"00000000000\0", tarfile.GNUTYPE_SPARSE
            header[257:265] = b"ustar  \0"
            header[386:398], header[398:410] = b"00000000000\0", b"%011o\0" % 512
            header[483:495] = b"%011o\0" % 2**30
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            to.write(header + b"x" * 512)
        to.write(b"\0" * 1024)
    with tarfile.open(bad) as made:
        assert max(made.getmembers(), key=lambda one: one.size).size == 2**30
    with pytest.raises(CommandError, match="has unexpected content"):
        archive.unpack(bad, into, ())
    assert sum(path.stat().st_size for path in into.rglob("*") if path.is_file()) < 10**6


def test_announced_file_size_is_not_trusted(small: Path, tmp_path: Path) -> None:
    """The header of the database announces a terabyte."""
    bad, content = tmp_path / "bad.tar", small.read_bytes()
    with tarfile.open(small) as tar:
        member = tar.getmembers()[1]
    member.size = 2**40
    bad.write_bytes(content[: member.offset] + member.tobuf() + content[member.offset_data :])
    with pytest.raises(CommandError, match="damaged, or cut short"):
        archive.unpack(bad, tmp_path / "into", ())
    assert (tmp_path / "into" / "database").stat().st_size <= len(content)


@pytest.mark.parametrize(
    "changes",
    [{"made_at": "yesterday"}, {"made_at": 7}, {"vendor": 7}, {"vendor": "\x1b[2J"},
     {"migrations": 7}, {"migrations": [7]}, {"migrations": ["\x1b[2J"]}],
    ids=str,
)  # fmt: skip
def test_description_is_validated(small: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    bad = rewritten(small, tmp_path / "bad.tar", redescribed(**changes))
    with pytest.raises(CommandError, match="not a backup"):
        archive.unpack(bad, tmp_path / "into", ())


@pytest.mark.parametrize("where", ["first", "later"])
@pytest.mark.parametrize(
    "header",
    [announced(tarfile.XHDTYPE, 20 * 2**30), announced(tarfile.XHDTYPE, 2**62),
     announced(tarfile.XHDTYPE, -512), announced(tarfile.XGLTYPE, 2**62),
     announced(tarfile.GNUTYPE_LONGNAME, 2**62), announced(tarfile.GNUTYPE_SPARSE, 2**62),
     nested(2000)],
    ids=["20 GiB", "4 EiB", "less than none", "global", "a long name", "sparse", "nested"],
)  # fmt: skip
def test_announced_header_size_is_not_trusted(
    small: Path, tmp_path: Path, header: bytes, where: str
) -> None:
    bad, whole = tmp_path / "bad.tar", small.read_bytes()
    with tarfile.open(small) as tar:
        at = 0 if where == "first" else tar.getmembers()[1].offset
    bad.write_bytes(whole[:at] + header + whole[at:])
    with pytest.raises(CommandError, match=r"is not a backup|damaged, or cut short"):
        archive.unpack(bad, tmp_path / "into", ())


def test_too_deep_paths_are_skipped_and_reported(tmp_path: Path) -> None:
    deepest = tmp_path / "media" / Path(*"d" * (archive.MAX_DEPTH - 2))  # and the file below it
    (deepest / "d").mkdir(parents=True)
    for path in (deepest, deepest / "d"):
        (path / "final.mp4").write_bytes(FILM)
    odd: list[str] = []
    assert [*archive.files(tmp_path, (), odd)] == [deepest / "final.mp4"]
    assert odd == [str(deepest / "d" / "final.mp4")]
    described = archive.Description("2026-11-25T16:00:00+00:00", "sqlite", True, [])
    name = f"data/{(deepest / 'final.mp4').relative_to(tmp_path)}"
    with archive.writing(tmp_path / "deep.tar", described) as writer:
        writer.add("database", deepest / "final.mp4")
        writer.add(name, deepest / "final.mp4")
    archive.unpack(tmp_path / "deep.tar", tmp_path / "into", ())
    assert (tmp_path / "into" / name).read_bytes() == FILM
