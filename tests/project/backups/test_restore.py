"""What a restore replaces, and what it leaves alone."""

from __future__ import annotations

import contextlib
import fcntl
import re
import sqlite3
import tarfile
from pathlib import Path

import pytest
from django.db import connection

from project.backups import archive
from tests.installation import installed
from tests.project.backups.crafted import flipped, redescribed, rewritten
from tests.project.backups.holdings import CHANGE_OF_THE_LOG, KEYS, backup, mode, rows
from tests.project.backups.load import Taken

pytestmark = pytest.mark.timeout(300)  # commands one after the other, under load


def test_nothing_is_overwritten_unless_told_and_never_under_a_server(
    taken: Taken, folder: Path
) -> None:
    with installed(folder) as house:
        house.serve()
        assert "stop it first" in house.manage("restore", str(taken.file), "--replace", check=False)
        house.stop()
        (folder / "media" / "own.mp4").write_bytes(b"mine")
        before, key = rows(house), (folder / "field.key").read_bytes()
        assert "use --replace" in house.manage("restore", str(taken.file), check=False)
        assert rows(house) == before
        assert (folder / "field.key").read_bytes() == key

        house.manage("restore", str(taken.file), "--replace")
        assert (folder / "media" / "games" / "final.mp4").exists()
        assert not (folder / "media" / "own.mp4").exists()
        (aside,) = folder.glob("replaced-*")
        assert mode(aside) == 0o700
        assert (aside / "media" / "own.mp4").read_bytes() == b"mine"
        assert (aside / "field.key").read_bytes() == key
        kept = "sideline.sqlite3" if connection.vendor == "sqlite" else "database"
        assert (aside / kept).stat().st_size > 10_000
        with tarfile.open(backup(house, "again.tar", "--without-keys")) as tar:
            assert not [name for name in tar.getnames() if "replaced" in name]
        house.serve()
        house.token = taken.house.token
        assert house.state(taken.plaza)


def test_nobody_serves_in_the_middle_of_a_restore(folder: Path) -> None:
    with installed(folder) as house, (folder / "serving.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as `restore` holds it
        said = house.manage("serve", "--prepare", check=False)
        assert "A backup is being restored here" in said
        assert "Traceback" not in said
        assert house.manage("showmigrations", "cameras").count("[X]") == 0


def test_older_backup_is_brought_up_to_date(folder: Path, tmp_path: Path) -> None:
    old, new = folder / "old", folder / "new"
    old.mkdir()
    new.mkdir()
    with installed(old, SIDELINE_DEMO="0") as house:
        house.manage("migrate", "-v0")
        house.manage("migrate", "-v0", "cameras", "0004")
        said = house.manage("backup", str(tmp_path / "old.tar"), "--with-keys")
        assert "Not in the audit log" in said
    with installed(new, SIDELINE_DEMO="0") as house:
        house.manage("restore", str(tmp_path / "old.tar"))
        assert house.manage("migrate", "--check") == ""  # it fails where one waits
        assert "append-only" in house.manage("shell", "-v0", "-c", CHANGE_OF_THE_LOG)


@pytest.mark.parametrize(
    "name",
    ["data/secret.key", "data/field.key", "data/sideline.sqlite3-wal", "data/sideline.sqlite3",
     "data/static/x.js", "data/detectors/x", "data/.restore/x", "data/replaced-1/x",
     "keys/secret.key", "keys/other.key", "data/serving.lock"],
)  # fmt: skip
def test_files_that_no_backup_holds_replace_nothing(
    folder: Path, tmp_path: Path, name: str
) -> None:
    """Whole by its checksums, and by the word of a stranger, who says `keys: false`."""
    if connection.vendor != "sqlite" and "sqlite3" in name:
        pytest.skip("A file like others there.")
    own = {key: f"{key} of this installation and long enough".encode() for key in KEYS}
    for key, content in own.items():
        (folder / key).write_bytes(content)
    crafted = tmp_path / "crafted.tar"
    (tmp_path / "evil").write_bytes(b"evil" * 20)
    with contextlib.closing(sqlite3.connect(tmp_path / "dump")) as dump:
        dump.execute("CREATE TABLE x (y)")
    keys = name == "keys/other.key"
    described = archive.Description("2026-11-25T16:00:00+00:00", connection.vendor, keys, [])
    with archive.writing(crafted, described) as writer:
        writer.add("database", tmp_path / "dump")
        writer.add("data/media/film.mp4", tmp_path / "evil")
        writer.add(name, tmp_path / "evil")
    with installed(folder) as house:
        said = house.manage("restore", str(crafted), "--replace", check=False)
    assert "which no such backup holds" in said, said
    assert {key: (folder / key).read_bytes() for key in KEYS} == own
    left = {path.name for path in folder.iterdir()}
    assert left <= {*KEYS, "static", "serving.lock", "prepare.lock", "log.txt"}, left


def test_backup_that_does_not_fit_changes_nothing(
    small: Path, folder: Path, tmp_path: Path
) -> None:
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[connection.vendor]
    with installed(folder) as house:
        house.manage("migrate", "-v0")
        before, there = rows(house), sorted({*folder.iterdir(), folder / "serving.lock"})
        for change, sentence in (
            (
                redescribed(migrations=["cameras.9999_later"]),
                "a newer version of Sideline (cameras.9999",
            ),
            (redescribed(vendor=other), f"This backup is of {other}"),
            (redescribed(made_at="yesterday"), "This is not a backup of Sideline"),
            (flipped, "checksums do not fit"),
            (redescribed(), "file is not a database|does not appear to be a valid archive"),
        ):
            bad = rewritten(small, tmp_path / "bad.tar", change)
            said = house.manage("restore", str(bad), "--replace", check=False)
            assert re.search(sentence.replace("(", r"\("), said), said
            assert "Traceback" not in said
            assert sorted(folder.iterdir()) == there
        assert rows(house) == before
