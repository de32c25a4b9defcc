"""What proves who asks: tokens, stream keys, one-time sign-in links. All stored as digests."""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from knox.models import AbstractAuthToken, AuthTokenManager

from cameras.models.cameras import Camera
from cameras.models.organizations import ROLE_SCOPES, Organization, Role, User

if TYPE_CHECKING:
    from cameras.actors import Actor

SCOPES = ("read", "publish", "chat", "admin")
LINK_LIFE = timedelta(hours=24)


def digest(secret: str) -> str:
    """SHA-256 in hex: enough for random secrets, which cannot be guessed from a dictionary."""
    return hashlib.sha256(secret.encode()).hexdigest()


def validate_scopes(value: Any) -> None:
    """A non-empty list of known scopes."""
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(SCOPES):
        raise ValidationError(f"Scopes are a list out of {', '.join(SCOPES)}.")


class TokenManager(AuthTokenManager):
    def alive(self) -> models.QuerySet[Token]:
        """Tokens that open something: not expired, not revoked, their user not suspended."""
        unexpired = models.Q(expiry=None) | models.Q(expiry__gt=timezone.now())
        found: models.QuerySet[Token] = self.filter(
            unexpired, revoked_at=None, user__is_active=True
        )
        return found


class Token(AbstractAuthToken):
    """A bearer token: one person, one organization, some scopes. Shown once."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="tokens", null=True
    )
    name = models.CharField(max_length=100, default="Sign-in")
    scopes = models.JSONField(default=list, validators=[validate_scopes])
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TokenManager()

    class Meta:
        ordering = ("-created",)

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key[:6]}…)"

    @classmethod
    def for_sign_in(cls, user: User, organization: Organization, role: str) -> tuple[Token, str]:
        """A token with all that the role may do, and its text, which is not stored."""
        made: tuple[Token, str] = cls.objects.create(
            user=user, organization=organization, scopes=sorted(ROLE_SCOPES[Role(role)])
        )
        return made

    def revoke(self) -> None:
        """From now on the token opens nothing."""
        Token.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=timezone.now())


class StreamKeyQuerySet(models.QuerySet["StreamKey"]):
    def visible_to(self, actor: Actor) -> StreamKeyQuerySet:
        """Keys are a matter of operators: whoever may publish to the camera's organization."""
        return self.filter(camera__organization__in=actor.organization_ids("publish"))

    def alive(self) -> StreamKeyQuerySet:
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


def _in_ninety_days() -> datetime:
    return timezone.now() + timedelta(days=90)


class StreamKey(models.Model):
    """An unguessable string that stands for one camera in a viewer's URL. It may only watch."""

    PREFIX = "sk_"
    SPELLING = re.compile(r"sk_[A-Za-z0-9_-]{20,80}")

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
        return self.revoked_at is None and self.expires_at > timezone.now()

    def issue(self) -> str:
        """Save under a new secret and return it: the only time it can be read."""
        text = self.PREFIX + secrets.token_urlsafe(32)
        self.digest = digest(text)
        self.save()
        return text

    def revoke(self) -> None:
        """Viewers that hold the key are closed within two seconds."""
        StreamKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=timezone.now())


class SignInLink(models.Model):
    """A link that signs one person in once."""

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Sign-in link for {self.user}"

    @classmethod
    def issue(cls, user: User) -> str:
        """The secret of a new link; earlier unused ones of the same person end."""
        cls.objects.filter(user=user, used_at=None).delete()
        text = secrets.token_urlsafe(24)
        cls.objects.create(digest=digest(text), user=user, expires_at=timezone.now() + LINK_LIFE)
        return text

    @classmethod
    def claim(cls, text: str) -> User | None:
        """Whom the link signs in, exactly once; None where it is used, old or unknown."""
        now = timezone.now()
        open_links = cls.objects.filter(
            digest=digest(text), used_at=None, expires_at__gt=now, user__is_active=True
        )
        if not open_links.update(used_at=now):
            return None
        return cls.objects.select_related("user").get(digest=digest(text)).user
