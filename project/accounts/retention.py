"""Credentials that let nobody in any more, removed when nobody asks about them any more."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from project.accounts.models import Invitation, SignInLink, Token

ENDED = timedelta(days=90)  # for what has a list of its own, where its end is shown
OVER = timedelta(days=30)  # for what may still be asked about


def prune() -> int:
    """Remove tokens, links and sessions whose time is over; how many rows."""
    now = timezone.now()
    ended = models.Q(expiry__lte=now - ENDED) | models.Q(revoked_at__lte=now - ENDED)
    due: tuple[models.QuerySet[models.Model], ...] = (
        Token.objects.filter(ended),
        SignInLink.objects.filter(expires_at__lte=now - OVER),
        Invitation.objects.filter(expires_at__lte=now - OVER),
        Session.objects.filter(expire_date__lte=now),
    )
    return sum(rows.delete()[0] for rows in due)
