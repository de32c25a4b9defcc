"""Tickets: one socket to one camera, for a page or client that cannot send its credential there."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from cameras.models.cameras import Camera
from project.accounts.models.tokens import digest

if TYPE_CHECKING:
    from project.accounts.access import Credential

TICKET_LIFE = timedelta(seconds=30)
TICKETS_MOST = 200  # a wall of cameras on a few screens, and then some


class TooManyTickets(Exception):
    """A credential holds `TICKETS_MOST` tickets that were not used yet."""


class Ticket(models.Model):
    """One socket to one camera within `TICKET_LIFE`, by the credential that asked for it.

    It may do what that credential may, while that credential may.
    """

    class Purpose(models.TextChoices):
        WATCH = "watch", "Watch"
        PUBLISH = "publish", "Publish"

    digest = models.CharField(max_length=64, primary_key=True)
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="tickets")
    purpose = models.CharField(max_length=7, choices=Purpose.choices)
    parent_kind = models.CharField(max_length=10)
    parent_proof = models.CharField(max_length=128)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (models.Index(fields=("parent_kind", "parent_proof"), name="tickets_by_parent"),)

    def __str__(self) -> str:
        return f"Ticket to {self.purpose} {self.camera}"

    @classmethod
    def issue(cls, camera: Camera, purpose: str, credential: Credential) -> tuple[str, datetime]:
        """The text of a new ticket and when it ends. Raises `TooManyTickets`.

        Bound: `TICKETS_MOST` unused ones of one credential; those that are over are removed first.
        """
        text, now = secrets.token_urlsafe(32), timezone.now()
        until = now + TICKET_LIFE
        unused = cls.objects.filter(
            parent_kind=credential.kind, parent_proof=credential.id, used_at=None
        )
        unused.filter(expires_at__lte=now).delete()
        if unused.count() >= TICKETS_MOST:
            raise TooManyTickets
        cls.objects.create(
            digest=digest(text),
            camera=camera,
            purpose=purpose,
            parent_kind=credential.kind,
            parent_proof=credential.id,
            expires_at=until,
        )
        return text, until

    @classmethod
    def claim(cls, text: str) -> Ticket | None:
        """The ticket, for exactly one caller; None where it is used, late or unknown."""
        now, proof = timezone.now(), digest(text)
        fresh = cls.objects.filter(digest=proof, used_at=None, expires_at__gt=now)
        return cls.objects.get(pk=proof) if fresh.update(used_at=now) else None
