"""`manage.py backup FILE`: the database, the files and optionally the keys, in one file."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from project.audit.log import Action, log_action
from project.backups import archive, databases
from project.database.tables import has_pending_migrations, require_released_data


class Command(BaseCommand):
    help = "Write the database and the files beside it into one file. The server may run meanwhile."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        keys = parser.add_mutually_exclusive_group(required=True)
        keys.add_argument(
            "--with-keys",
            action="store_true",
            help="anyone who has the file can then decrypt what it holds, such as camera passwords",
        )
        keys.add_argument(
            "--without-keys", action="store_true", help="keep the keys yourself, elsewhere"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        target, keys = options["file"].absolute(), options["with_keys"]
        if target.exists():
            raise CommandError(f"{target} exists; choose another name.")
        if not target.parent.is_dir():
            raise CommandError(f"There is no folder {target.parent}.")
        if target.resolve().is_relative_to(settings.DATA_DIR.resolve()):
            raise CommandError("Put the backup outside of the data folder, best on another disk.")
        require_released_data()
        migrations = sorted(MigrationRecorder(connection).applied_migrations())
        if not migrations:
            raise CommandError("There is nothing to back up: the database has no tables.")
        try:
            self._log(target, keys)
            files = self._write(target, keys, [f"{app}.{name}" for app, name in migrations])
        except OSError as error:
            raise CommandError(f"{target} was not written: {error}.") from None
        size = f"{target.stat().st_size / 1e6:.1f} MB"
        count = "1 file" if files == 1 else f"{files} files"
        self.stdout.write(f"Wrote {target}, {size}: the database and {count}.")
        self.stdout.write(
            "It holds the keys: keep it where nobody else can read it."
            if keys
            else "It holds no keys. Without field.key (or SIDELINE_FIELD_KEY) nobody can read "
            "cameras' addresses, models' keys and second factors in it, not even you: keep the "
            "keys elsewhere."
        )

    def _log(self, target: Path, keys: bool) -> None:
        """Log the backup before it is made, so that it contains its own entry."""
        if has_pending_migrations():
            self.stderr.write("Not in the audit log: the database needs “serve --prepare” first.")
            return
        detail = "with keys" if keys else "without keys"
        log_action(None, Action.TAKE_BACKUP, target.name, detail=detail)

    def _write(self, target: Path, keys: bool, migrations: list[str]) -> int:
        """Write the backup; return its number of files.

        The database comes first: files that its rows name then exist, unless they are deleted.
        """
        folder = settings.DATA_DIR
        database = databases.database_of(settings.DATABASES["default"])
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        description = archive.Description(made_at, database.vendor, keys, migrations)
        skipped: list[str] = []
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".backup-") as work,
            archive.writing(target, description) as writer,
        ):
            dump = Path(work) / archive.DATABASE
            database.dump(dump)
            writer.add(archive.DATABASE, dump)
            for path in archive.files(folder, database.names, skipped):
                try:
                    writer.add(f"{archive.DATA}/{path.relative_to(folder)}", path)
                except FileNotFoundError:  # deleted since the folder was read
                    skipped.append(str(path))
            if keys:
                secret, field = archive.KEY_FILES
                writer.add_text(f"{archive.KEYS}/{secret}", settings.SECRET_KEY)
                writer.add_text(f"{archive.KEYS}/{field}", ",".join(settings.FIELD_KEYS))
        for left_out in skipped:
            self.stderr.write(f"Left out: {left_out} (no file, a link to a folder, or too deep).")
        return writer.files - 1
