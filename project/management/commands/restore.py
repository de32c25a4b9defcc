"""`manage.py restore FILE`: restore a backup. The server must not run."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.migrations.loader import MigrationLoader

from project import installation
from project.audit.log import Action, log_action
from project.backups import archive, databases
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
        refusal = "Sideline is running on this data folder; stop it first."
        try:
            with installation.in_use(fcntl.LOCK_EX, refusal):
                existing = bool(archive.tops(folder, database.names)) or not database.is_empty()
                if existing and not options["replace"]:
                    raise CommandError(
                        "There is an installation here already. Restore into an empty data folder "
                        "and database, or use --replace, which moves what is here aside."
                    )
                if others := database.others():
                    raise CommandError(
                        f"Others use the database ({others} connections); stop all servers first."
                    )
                with tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as work:
                    description = archive.unpack(file, Path(work), database.names)
                    _require_fitting(description, database)
                    database.check(Path(work) / archive.DATABASE)
                    self._replace(Path(work), database)
                self._bring_up_to_date(file, description)
        except OSError as error:
            raise CommandError(f"The backup was not restored: {error}.") from None

    def _replace(self, work: Path, database: databases.Database) -> None:
        """Move existing files and the database aside, then the backup into place.

        If that fails, put back what was here.
        """
        folder = settings.DATA_DIR
        keys = [*work.glob(f"{archive.KEYS}/*")]
        replaced = [folder / key.name for key in keys if (folder / key.name).exists()]
        existing = [*archive.tops(folder, database.names), *replaced]
        undo = ExitStack()
        try:
            if existing or not database.is_empty():
                aside = folder / datetime.now(UTC).strftime(f"{archive.ASIDE}%Y%m%d-%H%M%S")
                aside.mkdir(mode=0o700)
                self.stdout.write(f"What was here is kept in {aside}.")
                if not database.is_empty():
                    database.put_aside(aside, undo)
                for path in existing:
                    databases.move(path, aside, undo)
            database.load(work / archive.DATABASE, undo)
            for path in [*work.glob(f"{archive.DATA}/*"), *keys]:
                databases.move(path, folder, undo)
        except BaseException:
            undo.close()
            self.stderr.write("Nothing was changed: what was here is back in place.")
            raise

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


def _require_fitting(description: archive.Description, database: databases.Database) -> None:
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


def _manage(*arguments: str) -> int:
    """Run another management command, which prints its own output; return the exit status."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    environment = bare_environment() | settings.CHILD_ENVIRONMENT
    return subprocess.run(  # nosec B603  # no user input
        command, env=environment, check=False
    ).returncode
