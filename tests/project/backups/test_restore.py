"""What a restore replaces and what it keeps."""

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
from tests.chats.talking import ChatClient
from tests.installation import Installation, installed
from tests.project.backups.crafted import flipped, redescribed, rewritten
from tests.project.backups.holdings import FILM, KEYS, Quiet, backup, mode, rows

pytestmark = pytest.mark.timeout(600)  # commands one after the other, under load

# Restores each file and prints the errors.
_EACH = """
from django.core.management import CommandError, call_command
for file in {files}:
    try:
        call_command("restore", file, replace=True)
    except CommandError as error:
        print(f"REFUSED {{error}}")
"""

# Fails at the last step, when the new keys are moved into place.
_FAILING = """
from django.conf import settings
from django.core.management import call_command
from project.backups import databases
move = databases.move

def fail_at_the_end(path, folder, undo):
    if folder == settings.DATA_DIR and path.name == "secret.key":
        raise OSError("no space left")
    move(path, folder, undo)

databases.move = fail_at_the_end
call_command("restore", "{file}", replace=True)
"""


def refusals(installation: Installation, files: list[Path]) -> list[str]:
    """Restore each file; return the error of each."""
    printed = installation.manage("shell", "-v0", "-c", _EACH.format(files=[*map(str, files)]))
    errors = re.findall(r"^REFUSED (.*)$", printed, re.MULTILINE)
    assert len(errors) == len(files), printed
    return errors


@pytest.mark.postgres
def test_restore_overwrites_only_with_replace_and_result_works(quiet: Quiet, folder: Path) -> None:
    with installed(folder) as installation:
        (folder / "media").mkdir()
        (folder / "media" / "own.mp4").write_bytes(b"mine")
        installation.prepare()
        before, key = rows(installation), (folder / "field.key").read_bytes()
        assert "use --replace" in installation.manage("restore", str(quiet.file), check=False)
        assert rows(installation) == before
        assert (folder / "field.key").read_bytes() == key

        installation.manage("restore", str(quiet.file), "--replace")
        assert (folder / "media" / "games" / "final.mp4").read_bytes() == FILM
        assert not (folder / "media" / "own.mp4").exists()
        for name in KEYS:
            assert (folder / name).read_bytes() == (quiet.installation.folder / name).read_bytes()
            assert mode(folder / name) == 0o600
        (aside,) = folder.glob("replaced-*")
        assert mode(aside) == 0o700
        assert (aside / "media" / "own.mp4").read_bytes() == b"mine"
        assert (aside / "field.key").read_bytes() == key
        kept = "sideline.sqlite3" if connection.vendor == "sqlite" else "database"
        assert (aside / kept).stat().st_size > 10_000
        found = rows(installation)
        (entry,) = set(found["audit_auditentry"]) - set(quiet.rows["audit_auditentry"])
        assert "restore backup" in entry
        found["audit_auditentry"].remove(entry)
        assert {table: sorted(lines) for table, lines in found.items()} == {
            table: sorted(lines) for table, lines in quiet.rows.items()
        }
        with tarfile.open(backup(installation, "again.tar", "--without-keys")) as tar:
            assert not [name for name in tar.getnames() if "replaced" in name]

        installation.serve()
        with installation.api() as api:
            assert api.get(f"/cameras/{quiet.gate}").json()["source"].startswith("rtsp://viewer:•")
        with ChatClient(installation) as talker:
            assert talker.last(quiet.chat)["content"] == "Hello."
        assert "Traceback" not in installation.logged()


@pytest.mark.postgres
def test_failed_restore_puts_back_what_was_there(quiet: Quiet, folder: Path) -> None:
    with installed(folder) as installation:
        (folder / "media").mkdir()
        (folder / "media" / "own.mp4").write_bytes(b"mine")
        installation.prepare()
        before = rows(installation)
        keys = {name: (folder / name).read_bytes() for name in KEYS}
        script = _FAILING.format(file=quiet.file)
        output = installation.manage("shell", "-v0", "-c", script, check=False)
        assert "The backup was not restored: no space left." in output
        assert "what was here is back in place" in output
        assert rows(installation) == before
        assert {name: (folder / name).read_bytes() for name in KEYS} == keys
        assert [path.name for path in (folder / "media").iterdir()] == ["own.mp4"]


def test_restore_is_refused_while_a_server_runs(installation: Installation, quiet: Quiet) -> None:
    assert "stop it first" in installation.manage(
        "restore", str(quiet.file), "--replace", check=False
    )
    assert not [*installation.folder.glob("replaced-*")]


def test_server_does_not_start_during_a_restore(folder: Path) -> None:
    with installed(folder) as installation, (folder / "serving.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as `restore` holds it
        output = installation.manage("serve", "--prepare", check=False)
        assert "A backup is being restored here" in output
        assert "Traceback" not in output
        assert installation.manage("showmigrations", "cameras").count("[X]") == 0


FOREIGN = (
    "data/secret.key", "data/field.key", "data/sideline.sqlite3-wal", "data/sideline.sqlite3",
    "data/static/x.js", "data/detectors/x", "data/.restore/x", "data/replaced-1/x",
    "keys/other.key", "keys/secret.key/x", "data/serving.lock",
)  # fmt: skip


def test_unexpected_files_in_a_backup_replace_nothing(folder: Path, tmp_path: Path) -> None:
    """Their checksums are valid."""
    own = {key: f"{key} of this installation and long enough".encode() for key in KEYS}
    for key, content in own.items():
        (folder / key).write_bytes(content)
    (tmp_path / "evil").write_bytes(b"evil" * 20)
    with contextlib.closing(sqlite3.connect(tmp_path / "dump")) as dump:
        dump.execute("CREATE TABLE x (y)")
    crafted: list[Path] = []
    for name in FOREIGN:
        if connection.vendor != "sqlite" and "sqlite3" in name:
            continue  # an ordinary file there
        described = archive.Description("2026-11-25T16:00:00+00:00", connection.vendor, True, [])
        crafted.append(tmp_path / f"{len(crafted)}.tar")
        with archive.writing(crafted[-1], described) as writer:
            writer.add("database", tmp_path / "dump")
            writer.add("data/media/film.mp4", tmp_path / "evil")
            writer.add(name, tmp_path / "evil")
    with installed(folder) as installation:
        for error in refusals(installation, crafted):
            assert "which is not part of a backup" in error
    assert {key: (folder / key).read_bytes() for key in KEYS} == own
    left = {path.name for path in folder.iterdir()}
    assert left <= {*KEYS, "static", "serving.lock", "prepare.lock", "log.txt"}, left


@pytest.mark.postgres
def test_unsuitable_backup_changes_nothing(small: Path, folder: Path, tmp_path: Path) -> None:
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[connection.vendor]
    cases = (
        (
            redescribed(migrations=["accounts.0001_initial", "cameras.9999_later"]),
            "(cameras.9999_later)",
        ),
        (redescribed(migrations=["cameras.0003_audit"]), "from before the first release"),
        (redescribed(vendor=other), f"This backup is of {other}"),
        (redescribed(made_at="yesterday"), "not a backup"),
        (flipped, "damaged"),
        (redescribed(), "file is not a database|does not appear to be a valid archive"),
    )
    files = [rewritten(small, tmp_path / f"{n}.tar", change) for n, (change, _) in enumerate(cases)]
    with installed(folder) as installation:
        installation.prepare(with_rows=False)
        before, there = rows(installation), sorted({*folder.iterdir(), folder / "serving.lock"})
        for error, (_, reason) in zip(refusals(installation, files), cases, strict=True):
            assert re.search(reason.replace("(", r"\(").replace(")", r"\)"), error), error
        assert sorted(folder.iterdir()) == there
        assert rows(installation) == before


@pytest.mark.extended
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_backup_with_fewer_migrations_is_migrated(folder: Path, tmp_path: Path) -> None:
    old, new = folder / "old", folder / "new"
    old.mkdir()
    new.mkdir()
    with installed(old) as installation:
        installation.manage("migrate", "-v0")
        installation.manage("migrate", "chats", "zero", "-v0")
        installation.manage(
            "shell", "-v0", "-c", "Organization.objects.create(name='Old', slug='old')"
        )
        output = installation.manage("backup", str(tmp_path / "old.tar"), "--with-keys")
        assert "Not in the audit log" in output
    with installed(new) as installation:
        output = installation.manage("restore", str(tmp_path / "old.tar"))
        assert "Restored what was backed up on" in output
        assert installation.manage("migrate", "--check") == ""  # fails if a migration is pending
        script = "print(Chat.objects.count(), *Organization.objects.values_list('slug', flat=True))"
        assert installation.manage("shell", "-v0", "-c", script).split() == ["0", "old"]
