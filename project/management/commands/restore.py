"""`manage.py restore FILE`: an installation as it was when the backup was taken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.migrations.loader import MigrationLoader

from project.audit.log import Action, note
from project.backups import archive, databases, lock, places, unpacking
from project.installation import is_unreleased


class Command(BaseCommand):
    help = "Put back what “backup” wrote, and bring it up to date. The server must not run."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--replace",
            action="store_true",
            help="where something is here already: put it aside, in a folder of the data folder",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file, folder = options["file"].absolute(), settings.DATA_DIR
        database = databases.database_of(settings.DATABASES["default"])
        try:
            with lock.alone(), unpacking.reading(file) as backup:
                _fits(backup.description, database)
                there = places.tops(folder, database.files)
                if not options["replace"] and (there or not database.is_empty()):
                    raise CommandError(
                        "There is an installation here already. Restore into an empty data folder "
                        "and database, or use --replace, which puts aside what is here."
                    )
                if others := database.others():
                    raise CommandError(
                        f"Others use the database ({others} connections); stop all servers first."
                    )
                with tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as work:
                    backup.unpack(Path(work))
                    _must_belong(Path(work), backup.description, database.files)
                    self._exchange(Path(work), database, there)
                self._bring_up_to_date(file, backup.description)
        except (lock.Occupied, archive.BadBackup, databases.DatabaseTrouble) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The backup was not restored: {error}.") from None

    def _exchange(self, work: Path, database: databases.Database, there: list[Path]) -> None:
        """Put aside what is there, and the backup in its place."""
        folder, dump, keys = settings.DATA_DIR, work / archive.DATABASE, work / archive.KEYS
        if not dump.exists():
            raise archive.BadBackup("This backup is damaged: it holds no database.")
        database.check(dump)
        replaced = [folder / key.name for key in _files(keys) if _differs(key, folder / key.name)]
        aside = None
        if there or replaced or not database.is_empty():
            aside = places.aside(folder)
            self.stdout.write(f"What was here is kept in {aside}.")
            if not database.is_empty():
                database.put_aside(aside)
            places.move_into([*there, *replaced], aside)
        database.load(dump)
        places.move_into(_files(work / archive.DATA), folder)
        for key in _files(keys):
            shutil.move(key, folder / key.name)

    def _bring_up_to_date(self, file: Path, told: archive.Description) -> None:
        """In processes of their own, which read the keys that have just come."""
        if _manage("migrate", "--noinput", "-v0"):
            raise CommandError("The backup is in place, but its tables could not be brought up.")
        note(None, Action.RESTORE_BACKUP, file.name, detail=f"taken {told.made_at}")
        taken = datetime.fromisoformat(told.made_at)
        self.stdout.write(f"Restored what was backed up on {taken:%d %B %Y at %H:%M} UTC.")
        self.stdout.write(
            "What was revoked or changed since then is as it was: look through members, tokens, "
            "stream keys and links before you start the server."
        )
        self.stdout.flush()
        if _manage("resealsources", "--check"):
            raise CommandError(
                "The rest is in place. Put the field.key (or SIDELINE_FIELD_KEY) of that time "
                "back, or enter again what cannot be read."
            )


def _fits(told: archive.Description, database: databases.Database) -> None:
    if told.vendor != database.vendor:
        raise CommandError(
            f"This backup is of {told.vendor}, and DATABASE_URL names {database.vendor}."
        )
    if is_unreleased(told.migrations):
        raise CommandError(
            "This backup is of a version from before the first release, which this one cannot read."
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if unknown := sorted(set(told.migrations) - known):
        raise CommandError(
            f"This backup is of a newer version of Sideline ({unknown[-1]}): install that first."
        )


def _must_belong(work: Path, told: archive.Description, database: tuple[Path, ...]) -> None:
    """Raise `BadBackup` for files that no backup holds: keys in disguise, another database."""
    names = [path.name for path in _files(work / archive.DATA)]
    odd = [name for name in names if not places.belongs(settings.DATA_DIR / name, database)]
    keys = _files(work / archive.KEYS)
    known = places.KEYS if told.keys is True else ()
    odd += [key.name for key in keys if key.name not in known or not key.is_file()]
    if odd:
        raise archive.BadBackup(
            f"This is not a backup of Sideline: it holds “{odd[0]}”, which no such backup holds."
        )


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _differs(new: Path, old: Path) -> bool:
    return os.path.lexists(old) and old.read_bytes().strip() != new.read_bytes().strip()


def _manage(*arguments: str) -> int:
    """The exit status of another command, which prints for itself."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    return subprocess.run(command, check=False).returncode  # nosec B603  # our own words
