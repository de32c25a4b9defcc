"""Deletion of old audit entries. Each organization has its own retention, in days."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from project.accounts.models import Organization
from project.audit.models import AuditEntry, AuditEntryQuerySet
from project.audit.triggers import DEFAULT_DAYS, MIN_DAYS

BATCH = 500  # rows in a transaction: a long one would block SQLite's other writers
MARGIN = timedelta(hours=1)  # the triggers use the database's clock


def prune() -> int:
    """Delete the entries that are due; return how many."""
    now, count = timezone.now(), 0
    for pk, days in list(Organization.objects.values_list("pk", "audit_days")):
        limit = now - timedelta(days=max(days, MIN_DAYS)) - MARGIN
        count += _expire(AuditEntry.objects.filter(organization=pk, at__lt=limit))
    others = AuditEntry.objects.exclude(organization__in=Organization.objects.all())
    return count + _expire(others.filter(at__lt=now - timedelta(days=DEFAULT_DAYS) - MARGIN))


def _expire(due: AuditEntryQuerySet) -> int:
    count = 0
    while batch := list(due.order_by("at").values_list("pk", flat=True)[:BATCH]):
        count += AuditEntry.objects.filter(pk__in=batch).delete()[0]
    return count
