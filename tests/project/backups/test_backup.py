"""Backups, also under load, and what is restored from them."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import httpx
import pytest
from django.db import connection

from project.backups import archive, databases
from tests.chats.talking import ChatClient
from tests.installation import KEEPER, Installation, installed
from tests.project.backups.holdings import (
    CHANGE_OF_THE_LOG,
    FILM,
    KEYS,
    SOURCE,
    Quiet,
    backup,
    mode,
    rows,
)
from tests.project.backups.load import Taken
from tests.waiting import until

pytestmark = pytest.mark.timeout(600)  # commands one after the other, under load

# Starts a backup and pauses just before it is complete.
UNFINISHED = """
import signal
from django.core.management import call_command
from project.backups import archive

def wait(writer):
    print("all but the sums", flush=True)
    signal.pause()

archive.Writer.finish = wait
call_command("backup", "{}", "--with-keys")
"""


@pytest.mark.extended
@pytest.mark.postgres
def test_backup_under_load_is_a_consistent_snapshot(taken: Taken, restored: Installation) -> None:
    found = rows(restored)
    assert found.keys() == taken.before.keys() == taken.after.keys()
    for table, lines in found.items():
        lasting = set(taken.before[table]) & set(taken.after[table])
        assert lasting <= set(lines), f"{table} lacks rows that were there all the time"
        assert len(lines) == len(set(lines))

    ticks = [re.search(r"\|(\d+) ([ab])\|", line) for line in found["audit_auditentry"]]
    halves = sorted((int(hit[1]), hit[2]) for hit in ticks if hit)
    most = halves[-1][0]
    assert halves == [(n, half) for n in range(1, most + 1) for half in "ab"], "a torn transaction"
    first, last = taken.ticks
    assert first <= most, "what was committed before is missing"
    assert most <= last, "it holds what came later"

    own = [line for line in found["audit_auditentry"] if "|under-load.tar|" in line]
    assert "|take backup|" in "".join(own), "what was committed the moment before is missing"
    prompts = len([line for line in found["chats_message"] if "|user|" in line])
    assert prompts == len(found["chats_generation"]), "a prompt without its answer"


@pytest.mark.extended
@pytest.mark.postgres
def test_restored_installation_works_as_before(taken: Taken, restored: Installation) -> None:
    film = restored.folder / "media" / "games" / "final.mp4"
    for key in KEYS:
        assert (restored.folder / key).read_bytes() == (
            taken.installation.folder / key
        ).read_bytes()
    kept = [film, *(restored.folder / key for key in KEYS)]
    if connection.vendor == "sqlite":
        kept.append(restored.folder / "sideline.sqlite3")
    assert {mode(path) for path in kept} == {0o600}
    leftovers = [path.name for path in restored.folder.iterdir() if path.name.startswith(".")]
    assert leftovers == []
    restored.serve()
    assert httpx.post(f"{restored.url}/api/v1/auth/login", json=KEEPER).status_code == 200
    restored.token = taken.installation.token  # of the old one
    with restored.api() as api:
        assert api.get(f"/cameras/{taken.gate}").json()["source"].startswith("rtsp://viewer:•••@")
    until(lambda: restored.state(taken.plaza) == "live", 60, "the demo camera")
    with ChatClient(restored) as talker:
        until(lambda: talker.last(taken.chat)["status"] != "running", 100, "the cut answer's end")
        assert talker.read(taken.chat)["messages"][0]["content"] == "Hello?"
    restored.stop()
    opened = (
        f"from cameras.models import Camera; print(Camera.objects.get(pk='{taken.gate}').source)"
    )
    assert SOURCE in restored.manage("shell", "-v0", "-c", opened), "the key came along"
    assert "append-only" in restored.manage("shell", "-v0", "-c", CHANGE_OF_THE_LOG)
    assert "Traceback" not in restored.logged().partition("tick")[0]


def test_backup_has_mode_0600_and_leaves_no_temporary_files(quiet: Quiet) -> None:
    assert mode(quiet.file) == 0o600
    assert [path.name for path in quiet.file.parent.iterdir() if path.name.startswith(".")] == []
    with tarfile.open(quiet.file) as tar:
        film = tar.extractfile("data/media/games/final.mp4")
        assert film is not None
        assert film.read() == FILM


@pytest.mark.extended
@pytest.mark.postgres
def test_restore_without_keys_has_all_rows_and_names_unreadable_fields(
    taken: Taken, folder: Path
) -> None:
    """Without keys the camera's address cannot be read, and the restore says so."""
    file = backup(taken.installation, "quiet.tar", "--without-keys")
    with tarfile.open(file) as tar:
        assert not [name for name in tar.getnames() if "key" in name]
    expected = rows(taken.installation)
    with installed(folder) as other:
        output = other.manage("restore", str(file), check=False)
        assert "No key of SIDELINE_FIELD_KEY decrypts" in output
        assert "Gate" in output
        found = rows(other)
        (entry,) = set(found["audit_auditentry"]) - set(expected["audit_auditentry"])
        assert "restore backup" in entry
        found["audit_auditentry"].remove(entry)
        assert {table: sorted(lines) for table, lines in found.items()} == {
            table: sorted(lines) for table, lines in expected.items()
        }
        field_key = (taken.installation.folder / "field.key").read_text()
        other.environment["SIDELINE_FIELD_KEY"] = field_key
        assert "can be read: 1" in other.manage("resealsources", "--check")


def test_backup_refuses_unsuitable_targets(quiet: Quiet) -> None:
    installation = quiet.installation
    content = quiet.file.read_bytes()
    for options, sentence in (
        ((str(quiet.file), "--with-keys"), "exists; choose another name"),
        (
            (str(installation.folder / "media" / "x.tar"), "--with-keys"),
            "outside of the data folder",
        ),
        ((str(installation.folder.parent / "none" / "x.tar"), "--with-keys"), "There is no folder"),
        ((str(installation.folder.parent / "x.tar"),), "--with-keys --without-keys is required"),
    ):
        assert sentence in installation.manage("backup", *options, check=False)
    assert quiet.file.read_bytes() == content
    assert not (installation.folder.parent / "x.tar").exists()


def test_interrupted_backup_leaves_no_file_with_its_name(quiet: Quiet) -> None:
    target = quiet.installation.folder.parent / "interrupted.tar"
    try:
        taking = quiet.installation.spawn("shell", "-v0", "-c", UNFINISHED.format(target))
        until(lambda: "all but the sums" in quiet.installation.logged(), 60, "the backup")
        assert list(target.parent.glob(".interrupted.tar.*")), "it is written under another name"
        taking.kill()
        assert taking.wait(60) == -9, "it had ended before"
        assert not target.exists()
    finally:
        for part in (target, *target.parent.glob(".interrupted.tar.*")):
            part.unlink(missing_ok=True)


def test_unknown_files_of_the_data_folder_are_backed_up(folder: Path, tmp_path: Path) -> None:
    """Unknown files are included; what is left out is reported."""
    disk = tmp_path / "disk"
    (disk / "games").mkdir(parents=True)
    (disk / "games" / "final.mp4").write_bytes(FILM)
    (disk / "loop").symlink_to(disk, target_is_directory=True)
    (disk / "gone.mp4").symlink_to(disk / "nowhere")
    (folder / "media").symlink_to(disk, target_is_directory=True)
    for name in ("new", "static", "detectors", "replaced-1", ".backup-1"):
        (folder / name).mkdir()
        (folder / name / "file").touch()
    for name in (*KEYS, "prepare.lock", "serving.lock", "sideline.sqlite3", "sideline.sqlite3-wal"):
        (folder / name).touch()
    own = databases.SQLite(folder / "sideline.sqlite3").names
    odd: list[str] = []
    kept = [str(file.relative_to(folder)) for file in archive.files(folder, own, odd)]
    assert kept == ["media/games/final.mp4", "new/file"]
    assert sorted(odd) == [str(folder / "media" / name) for name in ("gone.mp4", "loop")]
