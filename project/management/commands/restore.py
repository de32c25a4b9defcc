"""`manage.py restore FILE`: restore a backup. The server must not run."""

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

from project.audit.log import Action, log_action
from project.backups import archive, databases, lock, places, unpacking
from project.child_processes import bare_environment
from project.database.tables import is_unreleased


class Command(BaseCommand):
    help = "Put back what “backup” wrote, and bring it up to date. The server must not run."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--replace",
            action="store_true",
            help="move an existing installation aside, into a subfolder of the data folder",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file, folder = options["file"].absolute(), settings.DATA_DIR
        database = databases.database_of(settings.DATABASES["default"])
        try:
            with lock.restoring(), unpacking.reading(file) as backup:
                _check_fits(backup.description, database)
                existing = places.tops(folder, database.files)
                if not options["replace"] and (existing or not database.is_empty()):
                    raise CommandError(
                        "There is an installation here already. Restore into an empty data folder "
                        "and database, or use --replace, which moves what is here aside."
                    )
                if others := database.others():
                    raise CommandError(
                        f"Others use the database ({others} connections); stop all servers first."
                    )
                with tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as work:
                    backup.unpack(Path(work))
                    _check_files(Path(work), backup.description, database.files)
                    self._replace(Path(work), database, existing)
                self._bring_up_to_date(file, backup.description)
        except (lock.Occupied, archive.BadBackup, databases.DatabaseTrouble) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"The backup was not restored: {error}.") from None

    def _replace(self, work: Path, database: databases.Database, existing: list[Path]) -> None:
        """Move existing files and the database aside, then the backup into place."""
        folder, dump, keys = settings.DATA_DIR, work / archive.DATABASE, work / archive.KEYS
        if not dump.exists():
            raise archive.BadBackup("This backup is damaged: it holds no database.")
        database.check(dump)
        replaced = [folder / key.name for key in _files(keys) if _differs(key, folder / key.name)]
        aside = None
        if existing or replaced or not database.is_empty():
            aside = places.create_aside(folder)
            self.stdout.write(f"What was here is kept in {aside}.")
            if not database.is_empty():
                database.put_aside(aside)
            places.move_into([*existing, *replaced], aside)
        database.load(dump)
        places.move_into(_files(work / archive.DATA), folder)
        for key in _files(keys):
            shutil.move(key, folder / key.name)

    def _bring_up_to_date(self, file: Path, description: archive.Description) -> None:
        """Migrate and check keys, in subprocesses: they read the restored keys."""
        if _manage("migrate", "--noinput", "-v0"):
            raise CommandError("The backup is in place, but its tables could not be migrated.")
        log_action(None, Action.RESTORE_BACKUP, file.name, detail=f"taken {description.made_at}")
        made_at = datetime.fromisoformat(description.made_at)
        self.stdout.write(f"Restored what was backed up on {made_at:%d %B %Y at %H:%M} UTC.")
        self.stdout.write(
            "Changes and revocations since then are undone: check members, tokens, stream keys and "
            "links before you start the server."
        )
        self.stdout.flush()
        if _manage("resealsources", "--check"):
            raise CommandError(
                "The rest is in place. Put the field.key (or SIDELINE_FIELD_KEY) of that time "
                "back, or enter again what cannot be read."
            )


def _check_fits(description: archive.Description, database: databases.Database) -> None:
    if description.vendor != database.vendor:
        raise CommandError(
            f"This backup is of {description.vendor}, and DATABASE_URL names {database.vendor}."
        )
    if is_unreleased(description.migrations):
        raise CommandError(
            "This backup is of a version from before the first release, which this one cannot read."
        )
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    if unknown := sorted(set(description.migrations) - known):
        raise CommandError(
            f"This backup is of a newer version of Sideline ({unknown[-1]}): install that first."
        )


def _check_files(work: Path, description: archive.Description, database: tuple[Path, ...]) -> None:
    """Raise `BadBackup` for files that no backup contains, such as keys or another database."""
    names = [path.name for path in _files(work / archive.DATA)]
    unexpected = [name for name in names if not places.belongs(settings.DATA_DIR / name, database)]
    keys = _files(work / archive.KEYS)
    known = places.KEYS if description.keys is True else ()
    unexpected += [key.name for key in keys if key.name not in known or not key.is_file()]
    if unexpected:
        raise archive.BadBackup(
            f"This is not a backup of Sideline: it holds “{unexpected[0]}”, "
            "which is not part of a backup."
        )


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _differs(new: Path, old: Path) -> bool:
    return os.path.lexists(old) and old.read_bytes().strip() != new.read_bytes().strip()


def _manage(*arguments: str) -> int:
    """Run another management command, which prints its own output; return the exit status."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    environment = bare_environment() | settings.CHILD_ENVIRONMENT
    return subprocess.run(  # nosec B603  # no user input
        command, env=environment, check=False
    ).returncode
