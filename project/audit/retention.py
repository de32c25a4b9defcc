"""Old entries of the audit log. Each organization says for how many days its log is kept."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from project.accounts.models import Organization
from project.audit.models import AuditEntry, AuditEntryQuerySet
from project.audit.triggers import DAYS, DAYS_LEAST

BATCH = 500  # rows of a transaction: others write meanwhile, which SQLite does one after the other
MARGIN = timedelta(hours=1)  # the database judges by a clock of its own


def prune() -> int:
    """Remove the entries that are due; how many."""
    now, count = timezone.now(), 0
    for pk, days in list(Organization.objects.values_list("pk", "audit_days")):
        old = now - timedelta(days=max(days, DAYS_LEAST)) - MARGIN
        count += _expire(AuditEntry.objects.filter(organization=pk, at__lt=old))
    others = AuditEntry.objects.exclude(organization__in=Organization.objects.all())
    return count + _expire(others.filter(at__lt=now - timedelta(days=DAYS) - MARGIN))


def _expire(due: AuditEntryQuerySet) -> int:
    count = 0
    while some := list(due.order_by("at").values_list("pk", flat=True)[:BATCH]):
        count += AuditEntry.objects.filter(pk__in=some).expire()
    return count
