"""What is kept no longer: old entries of the audit log, and passes that let nobody in any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from cameras.models import ShareLink, StreamKey, Ticket, Visit
from project.accounts.access import actors_behind
from project.accounts.models import Invitation, Organization, SignInLink, Token
from project.audit.models import AuditEntry, AuditEntryQuerySet
from project.audit.triggers import DAYS, DAYS_LEAST

BATCH = 500  # rows of a transaction: others write meanwhile, which SQLite does one after the other
MARGIN = timedelta(hours=1)  # the database judges by a clock of its own
OVER = timedelta(days=30)  # for what may still be asked about
ENDED = timedelta(days=90)  # for tokens and stream keys, which have lists of their own


@dataclass(frozen=True, slots=True)
class Removed:
    entries: int
    passes: int


def prune() -> Removed:
    """Remove what is due. Each organization says for how many days its log is kept."""
    now = timezone.now()
    return Removed(_entries(now), _passes(now))


def _entries(now: datetime) -> int:
    count = 0
    known = dict(Organization.objects.values_list("pk", "audit_days"))
    for pk, days in known.items():
        old = now - timedelta(days=max(days, DAYS_LEAST)) - MARGIN
        count += _expire(AuditEntry.objects.filter(organization=pk, at__lt=old))
    others = AuditEntry.objects.exclude(organization__in=Organization.objects.all())
    return count + _expire(others.filter(at__lt=now - timedelta(days=DAYS) - MARGIN))


def _expire(due: AuditEntryQuerySet) -> int:
    count = 0
    while some := list(due.order_by("at").values_list("pk", flat=True)[:BATCH]):
        count += AuditEntry.objects.filter(pk__in=some).expire()
    return count


def _passes(now: datetime) -> int:
    """A used ticket is what a socket that is still open is re-examined by, so it stays for as long
    as its parent lives, and `OVER` at most."""
    late, long_over = models.Q(expires_at__lte=now), models.Q(expires_at__lte=now - OVER)
    due: tuple[models.QuerySet[Any], ...] = (
        Ticket.objects.filter(late, used_at=None),
        Ticket.objects.filter(used_at__lte=now - OVER),
        Visit.objects.exclude(pk__in=Visit.objects.alive()),
        ShareLink.objects.filter(long_over | models.Q(revoked_at__lte=now - OVER)),
        Token.objects.filter(
            models.Q(expiry__lte=now - ENDED) | models.Q(revoked_at__lte=now - ENDED)
        ),
        StreamKey.objects.filter(
            models.Q(expires_at__lte=now - ENDED) | models.Q(revoked_at__lte=now - ENDED)
        ),
        SignInLink.objects.filter(long_over),
        Invitation.objects.filter(long_over),
        Session.objects.filter(expire_date__lte=now),
    )
    return sum(rows.delete()[0] for rows in due) + _orphans()


def _orphans() -> int:
    """Used tickets whose parent credential lets nobody in any more."""
    count = 0
    parents = list(Ticket.objects.values_list("parent_kind", "parent_proof").distinct())
    for start in range(0, len(parents), BATCH):
        some = parents[start : start + BATCH]
        for kind, proof in set(some) - actors_behind(some).keys():
            count += Ticket.objects.filter(parent_kind=kind, parent_proof=proof).delete()[0]
    return count
