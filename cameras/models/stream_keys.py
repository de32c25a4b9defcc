"""Stream keys: secrets in the place of a camera id in a URL. Stored as digests."""

from __future__ import annotations

import re
import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from cameras.models.cameras import Camera
from project.accounts.models.organizations import User
from project.accounts.models.tokens import digest

if TYPE_CHECKING:
    from project.accounts.access import Actor


def _in_ninety_days() -> datetime:
    return timezone.now() + timedelta(days=90)


class StreamKeyQuerySet(models.QuerySet["StreamKey"]):
    def visible_to(self, actor: Actor) -> StreamKeyQuerySet:
        """The keys of cameras that the actor may publish to: operators manage them."""
        return self.filter(camera__organization__in=actor.organization_ids("publish"))

    def alive(self) -> StreamKeyQuerySet:
        """The keys that are neither revoked nor expired."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


class StreamKey(models.Model):
    """An unguessable string in the place of the camera id in a viewer's URL. It may only watch."""

    PREFIX = "sk_"
    PATTERN = re.compile(r"sk_[A-Za-z0-9_-]{20,80}")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="stream_keys")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=_in_ninety_days)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = StreamKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} for {self.camera}"

    @property
    def is_alive(self) -> bool:
        """True if it is neither revoked nor expired."""
        return self.revoked_at is None and self.expires_at > timezone.now()

    def issue(self) -> str:
        """Create a secret, save its digest and return it. It cannot be read later."""
        text = self.PREFIX + secrets.token_urlsafe(32)
        self.digest = digest(text)
        self.save()
        return text

    def revoke(self) -> None:
        """End the key. Its viewers are disconnected within two seconds."""
        StreamKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=timezone.now())
