"""Bearer tokens: what proves who asks. Stored as digests."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from knox.models import AbstractAuthToken, AuthTokenManager

from project.accounts.models.organizations import ROLE_SCOPES, Organization, Role, User

if TYPE_CHECKING:
    from project.accounts.access import Actor

SCOPES = ("read", "publish", "chat", "admin")


def digest(secret: str) -> str:
    """SHA-256 in hex: enough for random secrets, which cannot be guessed from a dictionary."""
    return hashlib.sha256(secret.encode()).hexdigest()


def validate_scopes(value: Any) -> None:
    """A non-empty list of known scopes."""
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(SCOPES):
        raise ValidationError(f"Scopes are a list out of {', '.join(SCOPES)}.")


TOKENS_MOST = 100  # living ones of one person: of programs, and as many of sign-ins


class TooManyTokens(Exception):
    """One person holds `TOKENS_MOST` living tokens of programs; says so."""


def _in_ninety_days() -> datetime:
    """When a stream key ends; migrations look for it in this module."""
    return timezone.now() + timedelta(days=90)


class TokenManager(AuthTokenManager):
    def visible_to(self, actor: Actor) -> models.QuerySet[Token]:
        """One's own where the credential may read, and all of organizations that it administers."""
        found: models.QuerySet[Token] = self.filter(
            models.Q(user=actor.user, organization__in=actor.organization_ids("read"))
            | models.Q(organization__in=actor.organization_ids("admin"))
        )
        return found

    def alive(self) -> models.QuerySet[Token]:
        """Tokens that open something: not expired, not revoked, their user not suspended."""
        unexpired = models.Q(expiry=None) | models.Q(expiry__gt=timezone.now())
        found: models.QuerySet[Token] = self.filter(
            unexpired, revoked_at=None, user__is_active=True
        )
        return found

    def sign_ins(self) -> models.QuerySet[Token]:
        """Those that a password was given for. Programs' tokens cannot be called so, see
        `validate_token_name`, and whatever a token makes has a parent."""
        found: models.QuerySet[Token] = self.filter(name=Token.SIGN_IN, parent=None)
        return found


class Token(AbstractAuthToken):
    """A bearer token: one person, one organization, some scopes. Shown once."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="tokens", null=True
    )
    SIGN_IN = "Sign-in"  # what those are called that a password was given for

    name = models.CharField(max_length=100, default=SIGN_IN)
    scopes = models.JSONField(default=list, validators=[validate_scopes])
    revoked_at = models.DateTimeField(null=True, blank=True)

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)  # its name in the API
    parent = models.ForeignKey(  # the token by which it was made, and with which it ends
        "self", on_delete=models.CASCADE, null=True, editable=False, related_name="children"
    )

    objects = TokenManager()

    class Meta:
        ordering = ("-created",)

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key[:6]}…)"

    @classmethod
    def for_sign_in(cls, user: User, organization: Organization, role: str) -> tuple[Token, str]:
        """A token with all that the role may do, and its text, which is not stored.

        The person's oldest sign-ins end where they have more than `TOKENS_MOST` with it.
        """
        made: tuple[Token, str] = cls.objects.create(
            user=user, organization=organization, scopes=sorted(ROLE_SCOPES[Role(role)])
        )
        living = cls.objects.sign_ins() & cls.objects.alive()
        earlier = living.filter(user=user).exclude(pk=made[0].pk)
        for one in earlier.order_by("-created")[TOKENS_MOST - 1 :]:
            one.revoke()
        return made

    @classmethod
    def make(
        cls,
        user: User,
        organization_id: uuid.UUID,
        *,
        name: str,
        scopes: list[str],
        expiry: datetime | None,
        grant: tuple[str, str],
    ) -> tuple[Token, str]:
        """A token for a program, and its text, which is not stored. Raises `TooManyTokens`.

        `grant` is the credential that asks: a token that it makes ends with it at the latest.
        """
        sign_ins = cls.objects.sign_ins().values("pk")
        if cls.objects.alive().filter(user=user).exclude(pk__in=sign_ins).count() >= TOKENS_MOST:
            raise TooManyTokens(f"You have {TOKENS_MOST} tokens; revoke one first.")
        until = expiry or timezone.now() + timedelta(days=90)
        parent = cls.objects.get(pk=grant[1]) if grant[0] == "token" else None
        if parent is not None and parent.expiry is not None:
            until = min(until, parent.expiry)
        made: tuple[Token, str] = cls.objects.create(
            user=user,
            organization_id=organization_id,
            name=name,
            scopes=scopes,
            parent=parent,
        )
        made[0].expiry = until  # knox takes a duration, and would count it from a later now
        made[0].save(update_fields=["expiry"])
        return made

    def revoke(self) -> None:
        """From now on the token opens nothing, nor does what was made by it."""
        ending = {self.pk}
        while ending:
            tokens = Token.objects.filter(pk__in=ending)
            tokens.filter(revoked_at=None).update(revoked_at=timezone.now())
            ending = set(Token.objects.filter(parent__in=ending).values_list("pk", flat=True))


def validate_token_name(value: str) -> None:
    """A name that is not taken for a sign-in, which ends with the next change of the password."""
    if value.strip().casefold() == Token.SIGN_IN.casefold():
        raise ValidationError(f"Sign-ins are called “{Token.SIGN_IN}”. Choose another name.")
