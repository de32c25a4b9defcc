"""A backup taken while everything writes, and what is restored from it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from django.db import connection

from project.backups import archive, databases, places
from tests.chats.talking import Talker, talking
from tests.endpoint import Model, Script, endpoint
from tests.installation import KEEPER, Installation, installed
from tests.project.test_setup import settings_of
from tests.publishers import asked, publishing, v1_parcel
from tests.sockets import frame, watching
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)  # commands one after the other, under load

SOURCE = "rtsp://viewer:hunter2@127.0.0.1:9/stream1"
FILM = b"not really a film" * 1000
BULK_MB = 16  # so that copying takes a while
KEYS = ("secret.key", "field.key")

_ROWS = """
import json
from django.db import connection
connection.check_constraints()
found = {}
with connection.cursor() as cursor:
    if connection.vendor == "sqlite":
        assert cursor.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for table in connection.introspection.table_names():
        cursor.execute(f'SELECT * FROM "{table}"')
        found[table] = [
            "|".join(str(len(v) if isinstance(v, bytes | memoryview) else v) for v in row)
            for row in cursor.fetchall()
        ]
print("ROWS" + json.dumps(found))
"""
_BULK = """
import os
from cameras.models import *
weights = Weights.objects.create(organization=Organization.objects.get(), name="Own", size=1)
for n in range({mb}):
    WeightsPart.objects.create(weights=weights, number=n, data=os.urandom(1 << 20))
"""
# Two rows in each transaction, as fast as the database takes them.
_TICKER = """
import itertools
from django.db import transaction
from cameras.models import AuditEntry
for n in itertools.count(1):
    with transaction.atomic():
        for half in "ab":
            AuditEntry.objects.create(who="ticker", action="ask", subject=f"{n} {half}")
    print(f"tick {n}", flush=True)
"""
_TRIGGER = """
from django.db import Error
from cameras.models import AuditEntry
from django.db import connection
try:
    connection.cursor().execute("UPDATE cameras_auditentry SET who = 'nobody'")
except Error as error:
    print(error)
"""

Rows = dict[str, list[str]]
Change = Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]


def rows(house: Installation) -> Rows:
    """Every row of every table, as text. Asserts that the database is sound."""
    printed = house.manage("shell", "-v0", "-c", _ROWS)
    found: Rows = json.loads(printed.partition("ROWS")[2])
    return found


def backup(house: Installation, name: str, *options: str) -> Path:
    """A new backup, next to the data folder."""
    file = house.folder.parent / name
    house.manage("backup", str(file), *options)
    return file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ticks(house: Installation) -> int:
    """How many transactions of the ticker are known to be committed."""
    return int(re.findall(r"^tick (\d+)$", house.logged(), re.MULTILINE)[-1])


@dataclass(slots=True)
class Load:
    """Threads that do what people and cameras do, over and over, until it ends."""

    house: Installation
    ended: threading.Event = field(default_factory=threading.Event)
    rounds: dict[str, int] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)

    @contextlib.contextmanager
    def of(self, *deeds: Callable[[], None]) -> Iterator[None]:
        threads = [threading.Thread(target=self._over_and_over, args=(deed,)) for deed in deeds]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.ended.set()
            for thread in threads:
                thread.join()
            assert not self.failures, self.failures

    def _over_and_over(self, deed: Callable[[], None]) -> None:
        try:
            while not self.ended.is_set():
                deed()
                name = deed.__name__
                self.rounds[name] = self.rounds.get(name, 0) + 1
        except BaseException as failure:
            self.failures.append(failure)


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was taken under load, of a house that has been stopped since."""

    house: Installation
    file: Path
    before: Rows
    after: Rows
    ticks: tuple[int, int]  # known to be committed before it began, and begun when it was done
    plaza: str
    gate: str
    chat: str


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    folder = tmp_path_factory.mktemp("busy") / "data"
    folder.mkdir()
    with endpoint() as model, talking(folder, model) as house:
        (folder / "media" / "games").mkdir()
        (folder / "media" / "games" / "final.mp4").write_bytes(FILM)
        house.manage("shell", "-v0", "-c", _BULK.format(mb=BULK_MB))
        plaza = house.add_camera(name="Plaza", kind="demo")
        gate = house.add_camera(name="Gate", kind="rtsp", source=SOURCE)
        device = house.add_camera(name="Device", kind="push")
        until(lambda: house.state(plaza) == "live", 20, "the demo camera")
        yield under_load(house, model, plaza, gate, device)


def under_load(house: Installation, model: Model, plaza: str, gate: str, device: str) -> Taken:
    model.script = Script(pieces=tuple(f"{n} " for n in range(30)), pause=0.01)
    load = Load(house)
    bearer = {"Authorization": f"Bearer {house.token}"}
    with contextlib.ExitStack() as stack:
        talkers = [stack.enter_context(Talker(house)) for _ in range(2)]
        chats = [talker.chat() for talker in talkers]
        socket = stack.enter_context(publishing(house, device, headers=bearer))

        def answer_first() -> None:
            talkers[0].say(chats[0])

        def answer_second() -> None:
            talkers[1].say(chats[1])

        def report() -> None:
            asked(socket, v1_parcel())
            load.ended.wait(1 / 30)  # a device that sends more than 60 a second is closed

        def watch() -> None:
            with watching(house, plaza, headers=bearer) as viewer:
                frame(viewer)

        stack.enter_context(load.of(answer_first, answer_second, report, watch))
        ticker = house.spawn("shell", "-v0", "-c", _TICKER)
        until(lambda: len(load.rounds) == 4 and "tick 20\n" in house.logged(), 60, "the load")
        before, first, rounds = rows(house), ticks(house), dict(load.rounds)
        file = backup(house, "under-load.tar", "--with-keys")
        until(lambda: ticks(house) > first + 1, 10, "writing beside the backup")
        last = ticks(house) + 1
        until(lambda: all(load.rounds[deed] > rounds[deed] for deed in rounds), 60, "more load")
        ticker.terminate()
        ticker.wait(10)
    house.stop()
    return Taken(house, file, before, rows(house), (first, last), plaza, gate, chats[0])


@pytest.fixture(scope="module")
def restored(taken: Taken, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("restored")
    with installed(folder, SIDELINE_DEMO="0") as house:
        said = house.manage("restore", str(taken.file))
        assert "Restored what was backed up on" in said
        yield house


def test_backup_taken_under_load_is_of_one_moment(taken: Taken, restored: Installation) -> None:
    found = rows(restored)
    assert found.keys() == taken.before.keys() == taken.after.keys()
    for table, lines in found.items():
        lasting = set(taken.before[table]) & set(taken.after[table])
        assert lasting <= set(lines), f"{table} lacks rows that were there all the time"
        assert len(lines) == len(set(lines))

    told = [re.search(r"\|(\d+) ([ab])\|", line) for line in found["cameras_auditentry"]]
    halves = sorted((int(hit[1]), hit[2]) for hit in told if hit)
    most = halves[-1][0]
    assert halves == [(n, half) for n in range(1, most + 1) for half in "ab"], "a torn transaction"
    first, last = taken.ticks
    assert first <= most, "what was committed before is missing"
    assert most <= last, "it holds what came later"

    own = [line for line in found["cameras_auditentry"] if "|under-load.tar|" in line]
    assert "|take backup|" in "".join(own), "what was committed the moment before is missing"
    prompts = len([line for line in found["chats_message"] if "|user|" in line])
    assert prompts == len(found["chats_generation"]), "a prompt without its answer"


def test_restored_installation_serves_as_before(taken: Taken, restored: Installation) -> None:
    restored.serve()
    restored.token = taken.house.token  # of the old one
    with restored.api() as api:
        assert api.get(f"/cameras/{taken.gate}").json()["source"].startswith("rtsp://viewer:•••@")
    until(lambda: restored.state(taken.plaza) == "live", 20, "the demo camera")
    with Talker(restored) as talker:
        until(lambda: talker.last(taken.chat)["status"] != "running", 100, "the cut answer's end")
        assert talker.read(taken.chat)["messages"][0]["content"] == "Hello?"
    restored.stop()
    opened = (
        f"from cameras.models import Camera; print(Camera.objects.get(pk='{taken.gate}').source)"
    )
    assert SOURCE in restored.manage("shell", "-v0", "-c", opened), "the key came along"
    assert "append-only" in restored.manage("shell", "-v0", "-c", _TRIGGER)
    assert "Traceback" not in restored.logged().partition("tick")[0]


def test_files_come_along_and_only_their_owner_may_read_them(
    taken: Taken, restored: Installation
) -> None:
    film = restored.folder / "media" / "games" / "final.mp4"
    assert film.read_bytes() == FILM
    for key in KEYS:
        assert (restored.folder / key).read_bytes() == (taken.house.folder / key).read_bytes()
    kept = [taken.file, film, *(restored.folder / key for key in KEYS)]
    if connection.vendor == "sqlite":
        kept.append(restored.folder / "sideline.sqlite3")
    assert {mode(path) for path in kept} == {0o600}
    leftovers = [path.name for path in restored.folder.iterdir() if path.name.startswith(".")]
    assert leftovers == []
    assert [path.name for path in taken.file.parent.iterdir() if path.name.startswith(".")] == []


def test_quiet_installation_comes_back_row_for_row_and_without_keys_says_what_is_shut(
    taken: Taken, folder: Path
) -> None:
    """Without keys: who has the file cannot read a camera's address, and is told so."""
    file = backup(taken.house, "quiet.tar", "--without-keys")
    with tarfile.open(file) as tar:
        assert not [name for name in tar.getnames() if "key" in name]
    expected = rows(taken.house)
    with installed(folder) as other:
        said = other.manage("restore", str(file), check=False)
        assert "No key of SIDELINE_FIELD_KEY opens" in said
        assert "Gate" in said
        found = rows(other)
        (trace,) = set(found["cameras_auditentry"]) - set(expected["cameras_auditentry"])
        assert "restore backup" in trace
        found["cameras_auditentry"].remove(trace)
        assert {table: sorted(lines) for table, lines in found.items()} == {
            table: sorted(lines) for table, lines in expected.items()
        }
        field_key = (taken.house.folder / "field.key").read_text()
        other.environment["SIDELINE_FIELD_KEY"] = field_key
        assert "can be read: 1" in other.manage("resealsources", "--check")


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
        assert "append-only" in house.manage("shell", "-v0", "-c", _TRIGGER)


def test_backup_goes_nowhere_else(taken: Taken) -> None:
    house = taken.house
    content = taken.file.read_bytes()[:1000]
    for options, sentence in (
        ((str(taken.file), "--with-keys"), "exists; choose another name"),
        ((str(house.folder / "media" / "x.tar"), "--with-keys"), "outside of the data folder"),
        ((str(house.folder.parent / "none" / "x.tar"), "--with-keys"), "There is no folder"),
        ((str(house.folder.parent / "x.tar"),), "--with-keys --without-keys is required"),
    ):
        assert sentence in house.manage("backup", *options, check=False)
    assert taken.file.read_bytes()[:1000] == content
    assert not (house.folder.parent / "x.tar").exists()


def test_interrupted_backup_leaves_nothing_that_looks_like_one(taken: Taken) -> None:
    target = taken.house.folder.parent / "interrupted.tar"
    taking = taken.house.spawn("backup", str(target), "--with-keys")
    until(lambda: list(target.parent.glob(".interrupted.tar.*")), 20, "the backup")
    taking.kill()
    taking.wait()
    assert not target.exists()


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


def _renamed(name: str) -> Change:
    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name.endswith("final.mp4"):
            member.name = name
        return member, data

    return change


def _link(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    if member.name.endswith("final.mp4"):
        member.type, member.linkname, data = tarfile.SYMTYPE, "/etc/passwd", b""
    return member, data


def _named(name: str, typed: bytes, change: Callable[[tarfile.TarInfo], None]) -> Change:
    """That member made into one of this type, with what makes it so."""

    def changed(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name.endswith(name):
            member.type = typed
            change(member)
        return member, data

    return changed


def _sparse_by_pax(member: tarfile.TarInfo) -> None:
    member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**30)}


def _flipped(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, data[:-1] + b"!" if member.name == "database" else data


def _longer(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, data + b"\n" * (member.name == "SHA256SUMS")


def _told(**changes: object) -> Change:
    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name == "sideline.json":
            data = json.dumps(json.loads(data) | changes).encode()
        return member, data

    return change


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of next to nothing, good as far as its form goes."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "final.mp4").write_bytes(FILM)
    described = archive.Description("2026-11-25T16:00:00+00:00", connection.vendor, True, [])
    with archive.writing(folder / "small.tar", described) as writer:
        writer.add("database", folder / "final.mp4")
        writer.add("data/media/final.mp4", folder / "final.mp4")
    return folder / "small.tar"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_renamed("data/../../outside.mp4"), "holds what no backup holds"),
        (_renamed("/outside.mp4"), "holds what no backup holds"),
        (_renamed("static/outside.js"), "holds what no backup holds"),
        (_link, "holds what no backup holds"),
        (_flipped, "checksums do not fit"),
        (_named("final.mp4", tarfile.REGTYPE, _sparse_by_pax), "holds what no backup holds"),
        (_named("final.mp4", tarfile.CONTTYPE, lambda _: None), "holds what no backup holds"),
        (_named("SUMS", tarfile.REGTYPE, _sparse_by_pax), "checksums do not fit"),
        (_longer, "checksums do not fit"),
        (_told(format=2), "newer version"),
        (_told(surprise=1), "not a backup"),
        (-3 * 512 - len(FILM), "cut short"),
        (3000, "damaged, or cut short"),
        (100, "damaged, or cut short"),
    ],
    ids=["up", "absolute", "elsewhere", "link", "flipped", "sparse", "contiguous", "sparse sums",
         "long sums", "format", "described", "cut", "early", "short"],
)  # fmt: skip
def test_bad_backup_is_refused(
    small: Path, tmp_path: Path, change: Change | int, sentence: str
) -> None:
    bad, into = tmp_path / "bad.tar", tmp_path / "a" / "b"
    if callable(change):
        rewritten(small, bad, change)
    else:
        bad.write_bytes(small.read_bytes()[:change])
    with pytest.raises(archive.BadBackup) as refused, archive.reading(bad) as reader:
        reader.unpack(into)
    assert sentence in str(refused.value)
    assert not [path for path in tmp_path.rglob("outside*") if into not in path.parents]


@pytest.mark.one_database
@pytest.mark.parametrize("which", [1, 3], ids=["a file", "the sums"])
def test_few_bytes_do_not_become_a_gigabyte(small: Path, tmp_path: Path, which: int) -> None:
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
    with pytest.raises(archive.BadBackup), archive.reading(bad) as reader:
        reader.unpack(into)
    assert sum(path.stat().st_size for path in into.rglob("*") if path.is_file()) < 10**6


@pytest.mark.one_database
def test_what_is_unpacked_is_never_more_than_the_archive(small: Path, tmp_path: Path) -> None:
    with tarfile.open(small) as tar, pytest.raises(archive.BadBackup) as refused:
        archive.Reader(tar, len(FILM) + 100).unpack(tmp_path / "into")
    assert "more than it holds" in str(refused.value)


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
            (_told(migrations=["cameras.9999_later"]), "a newer version of Sideline (cameras.9999"),
            (_told(vendor=other), f"This backup is of {other}"),
            (_flipped, "checksums do not fit"),
            (_told(), "file is not a database|does not appear to be a valid archive"),
        ):
            bad = rewritten(small, tmp_path / "bad.tar", change)
            said = house.manage("restore", str(bad), "--replace", check=False)
            assert re.search(sentence.replace("(", r"\("), said), said
            assert "Traceback" not in said
            assert sorted(folder.iterdir()) == there
        assert rows(house) == before


@pytest.mark.one_database
def test_damaged_sqlite_is_not_backed_up_as_if_it_were_whole(folder: Path, tmp_path: Path) -> None:
    with installed(folder, DATABASE_URL="") as house:
        house.environment["DATABASE_URL"] = ""
        house.manage("migrate", "-v0")
        with contextlib.closing(sqlite3.connect(folder / "sideline.sqlite3")) as broken:
            broken.execute(
                "INSERT INTO django_admin_log (object_repr, action_flag, change_message, user_id,"
                " action_time) VALUES ('x', 1, '', 999, '2026-01-01')"
            )
            broken.commit()
        said = house.manage("backup", str(tmp_path / "x.tar"), "--with-keys", check=False)
        assert "The database is damaged: a row of django_admin_log is an orphan." in said
        assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_database_that_does_not_answer_is_told_in_a_sentence(
    command: str, small: Path, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.tar"
    arguments = [str(file), "--with-keys"]
    if command == "restore":
        rewritten(small, file, _told(vendor="postgresql"))
        arguments = [str(file)]
    with installed(folder) as house:
        house.environment["DATABASE_URL"] = "postgres://sideline:hunter2@127.0.0.1:9/none"
        said = house.manage(command, *arguments, check=False)
        assert "The database does not answer" in said
        assert "Traceback" not in said
        assert "hunter2" not in said


@pytest.mark.one_database
def test_nothing_of_the_data_folder_is_forgotten(folder: Path, tmp_path: Path) -> None:
    """Whatever comes to lie there is kept, unless it is known; what is left out is told."""
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
    own = databases.SQLite(folder / "sideline.sqlite3").files
    odd: list[str] = []
    kept = [file for top in places.tops(folder, own) for file in places.files(top, odd)]
    assert [str(file.relative_to(folder)) for file in kept] == ["media/games/final.mp4", "new/file"]
    assert sorted(odd) == [str(folder / "media" / name) for name in ("gone.mp4", "loop")]


@pytest.mark.one_database
def test_postgresql_is_asked_as_its_url_says_and_no_password_is_seen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sslmode` is kept, for the server as well; arguments can be read in a list of processes."""
    url = "postgres://sideline:hunter2@127.0.0.1:9/club?sslmode=verify-full"
    given = settings_of(folder, monkeypatch, DATABASE_URL=url)["DATABASES"]["default"]
    assert given["OPTIONS"]["sslmode"] == "verify-full"
    program = folder / "pg_dump"
    program.write_text('#!/bin/sh\necho "$@" $PGPASSWORD $SIDELINE_FIELD_KEY >&2; exit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("SIDELINE_FIELD_KEY", "a-secret-of-ours")
    with pytest.raises(databases.DatabaseTrouble) as told:
        databases.database_of(given).dump(folder / "dump")
    arguments, _, password = str(told.value).rpartition(" ")
    assert password == "hunter2", "by the environment, and nothing else of ours"
    assert "hunter2" not in arguments
    assert "sslmode=verify-full" in arguments


def test_keeper_signs_in_again(taken: Taken, restored: Installation) -> None:
    """Passwords come along, too."""
    restored.serve()
    assert httpx.post(f"{restored.url}/api/v1/auth/login", json=KEEPER).status_code == 200
    restored.stop()
