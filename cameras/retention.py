"""What lets nobody watch any more, removed when nobody asks about it any more."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from cameras.models import ShareLink, StreamKey, Ticket, Visit
from project.accounts.access import actors_behind
from project.accounts.retention import ENDED, OVER

BATCH = 500  # credentials that are looked up at once


def prune() -> int:
    """Remove keys, links, visits and tickets whose time is over; how many rows.

    A used ticket is what a socket that is still open is re-examined by, so it stays for as long as
    its parent lives, and `OVER` at most.
    """
    now = timezone.now()
    ended = models.Q(expires_at__lte=now - ENDED) | models.Q(revoked_at__lte=now - ENDED)
    over = models.Q(expires_at__lte=now - OVER) | models.Q(revoked_at__lte=now - OVER)
    due: tuple[models.QuerySet[models.Model], ...] = (
        Ticket.objects.filter(expires_at__lte=now, used_at=None),
        Ticket.objects.filter(used_at__lte=now - OVER),
        Visit.objects.exclude(pk__in=Visit.objects.alive()),
        ShareLink.objects.filter(over),
        StreamKey.objects.filter(ended),
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
