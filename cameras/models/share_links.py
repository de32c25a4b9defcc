"""Share links: signed addresses at which anyone may watch one camera."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.core import signing
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from cameras.models.cameras import Camera
from project.accounts.models.passes import P, Pass, PassQuerySet
from project.accounts.models.tokens import digest

if TYPE_CHECKING:
    from project.accounts.credentials import Actor

_SALT = "sideline.share"


class CameraPassQuerySet(PassQuerySet[P]):
    def visible_to(self, actor: Actor) -> Self:
        """Those of cameras that the actor may publish to: operators manage them."""
        return self.filter(camera__organization__in=actor.organization_ids("publish"))


def _in_a_week() -> datetime:
    return timezone.now() + timedelta(days=7)


class ShareLink(Pass):
    """A signed address at which anyone may watch one camera: `uses_most` times, until it ends."""

    camera = models.ForeignKey(Camera, on_delete=models.CASCADE, related_name="share_links")
    expires_at = models.DateTimeField(default=_in_a_week)
    uses_most = models.PositiveIntegerField(
        "may be opened", default=20, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    uses = models.PositiveIntegerField("was opened", default=0, editable=False)

    objects = CameraPassQuerySet["ShareLink"].as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} for {self.camera}"

    @property
    def openings(self) -> str:
        """How often it may be opened, for pages."""
        return "once" if self.uses_most == 1 else f"{self.uses_most} times"

    @property
    def text(self) -> str:
        """The signed text in the address. It is not stored, and can be shown again."""
        return signing.Signer(salt=_SALT).sign(self.pk.hex)

    @classmethod
    def find(cls, text: str) -> ShareLink | None:
        """Return the valid link with this text, or None. Forged text causes no query."""
        pk = cls._verify(text)
        if pk is None:
            return None
        return cls.objects.alive().select_related("camera__organization").filter(pk=pk).first()

    @classmethod
    def is_signed(cls, text: str) -> bool:
        """True if we signed the text, even if its link has ended: then it is no guess."""
        return cls._verify(text) is not None

    @staticmethod
    def _verify(text: str) -> uuid.UUID | None:
        try:
            return uuid.UUID(hex=signing.Signer(salt=_SALT).unsign(text))
        except (signing.BadSignature, ValueError):
            return None

    def open(self) -> str | None:
        """Count one use and return the text of a new visit; None without a use left."""
        usable = ShareLink.objects.alive().filter(pk=self.pk, uses__lt=models.F("uses_most"))
        if not usable.update(uses=models.F("uses") + 1):
            return None
        text = Visit.PREFIX + secrets.token_urlsafe(32)
        Visit.objects.create(digest=digest(text), link=self)
        return text


class VisitQuerySet(models.QuerySet["Visit"]):
    def alive(self) -> VisitQuerySet:
        """The visits of valid links."""
        return self.filter(link__in=ShareLink.objects.alive().values("pk"))


class Visit(models.Model):
    """One use of a share link. Its text is the value of a cookie, which is given tickets."""

    PREFIX = "sv_"

    digest = models.CharField(max_length=64, primary_key=True)
    link = models.ForeignKey(ShareLink, on_delete=models.CASCADE, related_name="visits")
    began_at = models.DateTimeField(auto_now_add=True)

    objects = VisitQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Visit by {self.link}"
