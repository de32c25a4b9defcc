"""Triggers of the database: entries never change, and are deleted only after their retention."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import Error, connection, transaction
from django.utils import timezone

from project.accounts.models import Organization
from project.audit.models import AuditEntry
from project.audit.retention import prune
from project.audit.triggers import MESSAGE, NAMES, create_triggers, drop_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def entry(organization: Organization | None = None, *, days: float = 0.0) -> AuditEntry:
    at = timezone.now() - timedelta(days=days)
    return AuditEntry.objects.create(
        who="x", action="watch", subject="s", organization=organization, at=at
    )


def refused(statement: str, *values: object) -> bool:
    """True if a trigger refuses the statement."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
    except Error as error:
        if MESSAGE in str(error):
            return True
        raise
    return False


@pytest.fixture
def club() -> Organization:
    return Organization.objects.create(name="Club", slug="club", audit_days=60)


def test_triggers_exist_after_all_migrations() -> None:
    catalogue = {"sqlite": ("sqlite_master", "name"), "postgresql": ("pg_trigger", "tgname")}
    table, name = catalogue[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {name} FROM {table}")
        assert set(NAMES[connection.vendor]) <= {row[0] for row in cursor.fetchall()}


def test_no_statement_can_change_an_entry(club: Organization) -> None:
    kept = entry(club, days=4000)
    assert refused("UPDATE audit_auditentry SET who = 'y'")
    assert refused("UPDATE audit_auditentry SET at = at")
    if connection.vendor == "sqlite":
        assert refused("REPLACE INTO audit_auditentry SELECT * FROM audit_auditentry")
    else:
        assert refused("TRUNCATE audit_auditentry")
        assert refused(
            "INSERT INTO audit_auditentry SELECT * FROM audit_auditentry "
            "ON CONFLICT (id) DO UPDATE SET who = 'y'"
        )
    kept.refresh_from_db()
    assert kept.who == "x"


@pytest.mark.parametrize(("days", "may_go"), [(0, False), (59.99, False), (60.01, True)])
def test_entry_can_be_deleted_after_the_retention_of_its_organization(
    club: Organization, days: float, may_go: bool
) -> None:
    pk = entry(club, days=days).pk
    assert refused("DELETE FROM audit_auditentry WHERE id = %s", pk) is not may_go
    assert AuditEntry.objects.filter(pk=pk).exists() is not may_go


@pytest.mark.parametrize(("days", "may_go"), [(364.99, False), (365.01, True)])
@pytest.mark.parametrize("whose", ["nobody", "gone"])
def test_entries_without_organization_are_kept_for_a_year(
    club: Organization, days: float, may_go: bool, whose: str
) -> None:
    made = entry(club if whose == "gone" else None, days=days)
    club.delete()
    made.refresh_from_db()
    assert refused("DELETE FROM audit_auditentry WHERE id = %s", made.pk) is not may_go


def test_times_without_microseconds_are_compared_correctly(club: Organization) -> None:
    """SQLite stores such times as shorter text."""
    for seconds, may_go in ((60, False), (-60, True)):
        at = timezone.now().replace(microsecond=0) - timedelta(days=60) + timedelta(seconds=seconds)
        made = AuditEntry.objects.create(
            who="x", action="watch", subject="s", organization=club, at=at
        )
        assert refused("DELETE FROM audit_auditentry WHERE id = %s", made.pk) is not may_go


def test_retention_of_zero_days_keeps_the_last_month(
    club: Organization,
) -> None:
    Organization.objects.update(audit_days=0)
    assert refused("DELETE FROM audit_auditentry WHERE id = %s", entry(club, days=29).pk)


def test_models_cannot_change_or_delete_entries(club: Organization) -> None:
    made = entry(club)
    for attempt in (
        made.save,
        made.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(who="y"),
        lambda: AuditEntry.objects.bulk_update([made], ["who"]),
    ):
        with pytest.raises(Error, match=MESSAGE), transaction.atomic():
            attempt()
    made.refresh_from_db()


def test_prune_deletes_only_old_entries(club: Organization) -> None:
    other = Organization.objects.create(name="Other", slug="other")
    gone = Organization.objects.create(name="Gone", slug="gone", audit_days=30)
    kept = [entry(club, days=59), entry(other, days=364), entry(days=364), entry(gone, days=364)]
    for whose, days in ((club, 61), (other, 366), (None, 366), (gone, 366)):
        entry(whose, days=days)
    gone.delete()
    assert prune() == 4
    assert set(AuditEntry.objects.all()) == set(kept)


def test_migration_can_drop_and_create_the_triggers(club: Organization) -> None:
    entry(club)
    drop_triggers(None, _Editor())
    assert not refused("UPDATE audit_auditentry SET who = 'y'")
    create_triggers(None, _Editor())
    create_triggers(None, _Editor())
    assert refused("UPDATE audit_auditentry SET who = 'y'")


class _Editor:
    """The part of a schema editor that the functions need, inside the test's transaction."""

    connection = connection

    def execute(self, statement: str, params: object = ()) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement, params)


def test_ids_are_not_reused(club: Organization) -> None:
    """So a gap in the ids shows that an entry is missing."""
    old = entry(club, days=61).pk
    prune()
    assert entry(club).pk > old
