"""Whether the database has the tables of this version. Every command asks before it uses them."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.management import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder


def has_pending_migrations() -> bool:
    """True if a migration is not applied yet."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


UNRELEASED = (
    "This data is of a version from before the first release, which this one cannot read. Start "
    "with an empty data folder (SIDELINE_DATA_DIR) and an empty database (DATABASE_URL). Nothing "
    "was changed here."
)


UNPREPARED = (
    "The database has no tables yet, or lacks those of this version. Run “manage.py serve "
    "--prepare”, which creates them and serves, or “manage.py migrate”."
)


def is_unreleased(migrations: Iterable[str]) -> bool:
    """True if these applied migrations (`app.name`) are of a version before the first release."""
    names = set(migrations)
    return "accounts.0001_initial" not in names and any(
        name.startswith("cameras.") for name in names
    )


def require_released_data() -> None:
    """Raise `CommandError` if the database is of a version before the first release."""
    applied = MigrationRecorder(connection).applied_migrations()
    if is_unreleased(f"{app}.{name}" for app, name in applied):
        raise CommandError(UNRELEASED)


def require_tables() -> None:
    """Raise `CommandError` unless the database has the tables of this version."""
    require_released_data()
    if has_pending_migrations():
        raise CommandError(UNPREPARED)
