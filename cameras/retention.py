"""Deletion of cameras' ended credentials, after a time in which they can still be looked up.

Also of models whose upload was never finished.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from cameras.models import ShareLink, StreamKey, Ticket, Visit, Weights
from project.accounts.retention import LINKS_KEPT, TOKENS_KEPT

TICKETS_KEPT = timedelta(days=1)  # used ones, after their renewal stopped


def prune() -> int:
    """Delete keys, links, visits and tickets that ended long ago, and abandoned uploads.

    Return the number of rows.

    An open WebSocket is re-examined by its used ticket, which it renews: one that was not renewed
    for `TICKETS_KEPT` belonged to a process that died.
    """
    now = timezone.now()
    due: tuple[models.QuerySet[models.Model], ...] = (
        Ticket.objects.filter(expires_at__lte=now, used_at=None),
        Ticket.objects.filter(expires_at__lte=now - TICKETS_KEPT),
        Visit.objects.exclude(pk__in=Visit.objects.alive()),
        ShareLink.objects.filter(_ended_by(now - LINKS_KEPT)),
        StreamKey.objects.filter(_ended_by(now - TOKENS_KEPT)),
        Weights.objects.abandoned(),
    )
    return sum(rows.delete()[0] for rows in due)


def _ended_by(time: datetime) -> models.Q:
    return models.Q(expires_at__lte=time) | models.Q(revoked_at__lte=time)
