"""Tickets: one WebSocket to one camera, for clients that cannot send their credential there."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from cameras.models.cameras import Camera
from project.accounts.models.tokens import digest

if TYPE_CHECKING:
    from project.accounts.credentials import Credential

TICKET_LIFE = timedelta(seconds=30)
TICKETS_MOST = 200  # unused ones of one credential; enough for the wall on several screens


class TooManyTickets(Exception):
    """The credential has `TICKETS_MOST` unused tickets."""


class Ticket(models.Model):
    """The right to open one WebSocket to one camera within `TICKET_LIFE`.

    It has the rights of its parent, the credential that requested it, and ends with it. Its row
    stays while the WebSocket is open: `expires_at` is renewed, and the row deleted at the end.
    """

    class Purpose(models.TextChoices):
        WATCH = "watch", "Watch"
        PUBLISH = "publish", "Publish"

    digest = models.CharField(max_length=64, primary_key=True)
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="tickets")
    purpose = models.CharField(max_length=7, choices=Purpose.choices)
    parent_kind = models.CharField(max_length=10)
    parent_credential_id = models.CharField(max_length=128)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=("parent_kind", "parent_credential_id"), name="tickets_by_parent"),
        )

    def __str__(self) -> str:
        return f"Ticket to {self.purpose} {self.camera}"

    @classmethod
    def issue(cls, camera: Camera, purpose: str, credential: Credential) -> tuple[str, datetime]:
        """Create a ticket. Return its text and the end of its life. Raises `TooManyTickets`.

        Bound: `TICKETS_MOST` unused ones per credential; expired ones are deleted first.
        """
        text, now = secrets.token_urlsafe(32), timezone.now()
        until = now + TICKET_LIFE
        unused = cls.objects.filter(
            parent_kind=credential.kind, parent_credential_id=credential.id, used_at=None
        )
        unused.filter(expires_at__lte=now).delete()
        if unused.count() >= TICKETS_MOST:
            raise TooManyTickets
        cls.objects.create(
            digest=digest(text),
            camera=camera,
            purpose=purpose,
            parent_kind=credential.kind,
            parent_credential_id=credential.id,
            expires_at=until,
        )
        return text, until

    @classmethod
    def claim(cls, text: str) -> Ticket | None:
        """Use up a ticket, for exactly one caller. None if it is used, expired or unknown.

        The row is kept for another `TICKET_LIFE`, until the WebSocket renews it.
        """
        now, proof = timezone.now(), digest(text)
        fresh = cls.objects.filter(digest=proof, used_at=None, expires_at__gt=now)
        is_claimed = fresh.update(used_at=now, expires_at=now + TICKET_LIFE)
        return cls.objects.get(pk=proof) if is_claimed else None

    @staticmethod
    def renew(digests: Collection[str]) -> None:
        """Renew the tickets of open WebSockets. Call it several times within `TICKET_LIFE`."""
        Ticket.objects.filter(pk__in=digests).update(expires_at=timezone.now() + TICKET_LIFE)

    @staticmethod
    def release(digest: str) -> None:
        """Delete the ticket of a WebSocket that has ended. Idempotent."""
        Ticket.objects.filter(pk=digest).delete()
