"""What lets nobody watch any more, removed when nobody asks about it any more."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from cameras.models import ShareLink, StreamKey, Ticket, Visit
from project.accounts.access import Credential, actors_for
from project.accounts.retention import LINKS_KEPT, TOKENS_KEPT

BATCH = 500  # credentials that are looked up at once


def prune() -> int:
    """Remove keys, links, visits and tickets whose time is over; how many rows.

    A used ticket is what a socket that is still open is re-examined by, so it stays for as long as
    its parent lives, and `LINKS_KEPT` at most.
    """
    now = timezone.now()
    ended = models.Q(expires_at__lte=now - TOKENS_KEPT) | models.Q(
        revoked_at__lte=now - TOKENS_KEPT
    )
    over = models.Q(expires_at__lte=now - LINKS_KEPT) | models.Q(revoked_at__lte=now - LINKS_KEPT)
    due: tuple[models.QuerySet[models.Model], ...] = (
        Ticket.objects.filter(expires_at__lte=now, used_at=None),
        Ticket.objects.filter(used_at__lte=now - LINKS_KEPT),
        Visit.objects.exclude(pk__in=Visit.objects.alive()),
        ShareLink.objects.filter(over),
        StreamKey.objects.filter(ended),
    )
    return sum(rows.delete()[0] for rows in due) + _orphans()


def _orphans() -> int:
    """Used tickets whose parent credential lets nobody in any more."""
    count = 0
    rows = Ticket.objects.values_list("parent_kind", "parent_proof").distinct()
    parents = [Credential(kind, credential_id) for kind, credential_id in rows]
    for start in range(0, len(parents), BATCH):
        some = parents[start : start + BATCH]
        for kind, credential_id in set(some) - actors_for(some).keys():
            count += Ticket.objects.filter(parent_kind=kind, parent_proof=credential_id).delete()[0]
    return count
