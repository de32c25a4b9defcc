"""Removal of old tokens, links and sessions."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from project.accounts.models import Invitation, SignInLink, Token

TOKENS_KEPT = timedelta(days=90)  # after the end; the tokens page lists ended ones
LINKS_KEPT = timedelta(days=30)  # after the end, so that their use is not taken for guessing


def prune() -> int:
    """Delete what ended long ago. Return the number of rows."""
    now = timezone.now()
    ended = models.Q(expiry__lte=now - TOKENS_KEPT) | models.Q(revoked_at__lte=now - TOKENS_KEPT)
    due: tuple[models.QuerySet[models.Model], ...] = (
        Token.objects.filter(ended),
        SignInLink.objects.filter(expires_at__lte=now - LINKS_KEPT),
        Invitation.objects.filter(expires_at__lte=now - LINKS_KEPT),
        Session.objects.filter(expire_date__lte=now),
    )
    return sum(rows.delete()[0] for rows in due)
