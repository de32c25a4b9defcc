"""Stream keys: secrets in the place of a camera id in a URL. Stored as digests."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from cameras.models.cameras import Camera
from cameras.models.share_links import CameraPassQuerySet
from project.accounts.models.passes import Pass
from project.accounts.models.tokens import digest


def _in_ninety_days() -> datetime:
    return timezone.now() + timedelta(days=90)


class StreamKey(Pass):
    """An unguessable string in the place of the camera id in a viewer's URL. It may only watch."""

    PREFIX = "sk_"
    PATTERN = re.compile(r"sk_[A-Za-z0-9_-]{20,80}")

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="stream_keys")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField(default=_in_ninety_days)

    objects = CameraPassQuerySet["StreamKey"].as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} for {self.camera}"

    def issue(self) -> str:
        """Create a secret, save its digest and return it. It cannot be read later."""
        text = self.PREFIX + secrets.token_urlsafe(32)
        self.digest = digest(text)
        self.save()
        return text
