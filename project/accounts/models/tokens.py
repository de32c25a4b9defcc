"""Bearer tokens, stored as digests."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.utils import timezone
from knox.models import AbstractAuthToken, AuthTokenManager

from project.accounts.models.organizations import ROLE_SCOPES, Membership, Organization, Role, User

if TYPE_CHECKING:
    from project.accounts.credentials import Actor, Credential

SCOPES = ("read", "publish", "chat", "admin")


def digest(secret: str) -> str:
    """Return the SHA-256 in hex. A slow hash is not needed: the secrets are random."""
    return hashlib.sha256(secret.encode()).hexdigest()


def validate_scopes(value: Any) -> None:
    """Validate a non-empty list of known scopes."""
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(SCOPES):
        raise ValidationError(f"Scopes are a list out of {', '.join(SCOPES)}.")


TOKENS_MOST = 100  # valid ones of one user, for programs; and as many of sign-ins


class TooManyTokens(Exception):
    """The user has `TOKENS_MOST` valid tokens for programs. The message is shown to the user."""


class TokenManager(AuthTokenManager):
    def create(self, user: User, **fields: Any) -> tuple[Token, str]:
        """Create a token of the user's present membership; return it and its text, which is not
        stored. Of a user who is no member, it opens nothing."""
        if "membership" not in fields:
            organization = fields.get("organization") or fields.get("organization_id")
            members = Membership.objects.filter(user=user, organization=organization)
            fields["membership"] = members.first()
        created: tuple[Token, str] = super().create(user=user, **fields)
        return created

    def visible_to(self, actor: Actor) -> models.QuerySet[Token]:
        """Return the actor's own tokens, and all of organizations that the actor administers."""
        visible: models.QuerySet[Token] = self.filter(
            models.Q(user=actor.user, organization__in=actor.organization_ids("read"))
            | models.Q(organization__in=actor.organization_ids("admin"))
        )
        return visible

    def not_ended(self) -> models.QuerySet[Token]:
        """Return tokens that are not expired and not revoked."""
        unexpired = models.Q(expiry=None) | models.Q(expiry__gt=timezone.now())
        found: models.QuerySet[Token] = self.filter(unexpired, revoked_at=None)
        return found

    def alive(self) -> models.QuerySet[Token]:
        """Return valid tokens: not expired, not revoked, of active users."""
        return self.not_ended().filter(user__is_active=True)

    def sign_ins(self) -> models.QuerySet[Token]:
        """Return the tokens issued for a password. Tokens for programs cannot have this name (see
        `validate_token_name`), and tokens created with a token have a parent."""
        sign_ins: models.QuerySet[Token] = self.filter(name=Token.SIGN_IN, parent=None)
        return sign_ins


class Token(AbstractAuthToken):
    """A bearer token: one user, one organization, some scopes. Its text is shown once.

    It has the role of its membership. Without one it opens nothing, also when its user joins again:
    that is another membership.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="tokens", null=True
    )
    membership = models.ForeignKey(
        Membership, on_delete=models.SET_NULL, null=True, editable=False, related_name="tokens"
    )
    SIGN_IN = "Sign-in"  # the name of tokens issued for a password

    name = models.CharField(max_length=100, default=SIGN_IN)
    scopes = models.JSONField(default=list, validators=[validate_scopes])
    revoked_at = models.DateTimeField(null=True, blank=True)

    uid = models.UUIDField(default=uuid.uuid4, editable=False, unique=True)  # its id in the API
    parent = models.ForeignKey(  # the token that created it, and with which it ends
        "self", on_delete=models.CASCADE, null=True, editable=False, related_name="children"
    )

    objects = TokenManager()

    class Meta:
        ordering = ("-created",)

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key[:6]}…)"

    @classmethod
    def for_sign_in(cls, user: User, organization: Organization, role: str) -> tuple[Token, str]:
        """Create a token with all scopes of the role; return it and its text, which is not stored.

        Revokes the user's oldest sign-ins beyond `TOKENS_MOST`.
        """
        created: tuple[Token, str] = cls.objects.create(
            user=user, organization=organization, scopes=sorted(ROLE_SCOPES[Role(role)])
        )
        alive = cls.objects.sign_ins() & cls.objects.alive()
        earlier = alive.filter(user=user).exclude(pk=created[0].pk)
        for token in earlier.order_by("-created")[TOKENS_MOST - 1 :]:
            token.revoke()
        return created

    @classmethod
    def issue(
        cls,
        user: User,
        organization_id: uuid.UUID,
        *,
        name: str,
        scopes: list[str],
        expiry: datetime | None,
        credential: Credential,
    ) -> tuple[Token, str]:
        """Create a token for a program; return it and its text, which is not stored.

        `credential` is the requester's. If it is a token, the new one is revoked with it and
        expires no later. Call it in a transaction. Raises `TooManyTokens`, and `PermissionDenied`
        if the requester's token has ended meanwhile.
        """
        sign_ins = cls.objects.sign_ins().values("pk")
        if cls.objects.alive().filter(user=user).exclude(pk__in=sign_ins).count() >= TOKENS_MOST:
            raise TooManyTokens(f"You have {TOKENS_MOST} tokens; revoke one first.")
        expiry = expiry or timezone.now() + timedelta(days=90)
        parent = cls.lock_alive(credential.id) if credential.kind == "token" else None
        if parent is not None and parent.expiry is not None:
            expiry = min(expiry, parent.expiry)
        created: tuple[Token, str] = cls.objects.create(
            user=user,
            organization_id=organization_id,
            name=name,
            scopes=scopes,
            parent=parent,
        )
        created[0].expiry = expiry  # knox takes a duration, and would count it from a later now
        created[0].save(update_fields=["expiry"])
        return created

    @classmethod
    def lock_alive(cls, pk: str) -> Token:
        """Return a valid token, locked so that it cannot be revoked before what is made with it is
        stored. Raises `PermissionDenied` if it has ended."""
        locked = cls.objects.alive().select_for_update(of=("self",))
        token: Token | None = locked.filter(pk=pk).first()
        if token is None:
            raise PermissionDenied("Your token has just ended.")
        return token

    def revoke(self) -> None:
        """Revoke the token, and all tokens that were created with it. Idempotent."""
        pks = {self.pk}
        while pks:
            tokens = Token.objects.filter(pk__in=pks)
            tokens.filter(revoked_at=None).update(revoked_at=timezone.now())
            pks = set(Token.objects.filter(parent__in=pks).values_list("pk", flat=True))


def validate_token_name(value: str) -> None:
    """Refuse the name of sign-ins, which are revoked when the password changes."""
    if value.strip().casefold() == Token.SIGN_IN.casefold():
        raise ValidationError(f"Sign-ins are called “{Token.SIGN_IN}”. Choose another name.")
