"""One-time links: invitations into an organization, and sign-in links.

Links for a new password are no rows: Django's token generator signs them (see
views/password_reset.py), and any change of the password or address ends them.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self, TypeVar

from django.db import models, transaction
from django.utils import timezone

from project.accounts.models.organizations import ROLE_SCOPES, Membership, Organization, Role, User
from project.accounts.models.tokens import Token, digest

if TYPE_CHECKING:
    from project.accounts.credentials import Actor

L = TypeVar("L", bound="OneTimeLink")


class OneTimeLinkQuerySet(models.QuerySet[L]):
    # Subqueries, not joins: after a wait for a lock, PostgreSQL re-checks only an UPDATE's own row.
    def open(self) -> Self:
        """Return those that can be used. Each kind adds who must still stand behind it."""
        return self.filter(used_at=None, expires_at__gt=timezone.now())

    def find_known(self, text: str) -> L | None:
        """Return the link of a secret, open or not; None if the secret is a guess."""
        return self.filter(digest=digest(text)).first()


class OneTimeLink(models.Model):
    """A secret address that does one thing once, until it expires. Stored as a digest."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    def issue(self) -> str:
        """Save with a new secret, and return the secret, which is not stored."""
        text = secrets.token_urlsafe(32)
        self.digest = digest(text)
        self.save(force_insert=True)
        return text

    @property
    def is_open(self) -> bool:
        """True if it can be used now."""
        return self._open().exists()

    def claim(self) -> bool:
        """Use the link up: True for exactly one caller, False if it is too late."""
        return bool(self._open().update(used_at=timezone.now()))

    def _open(self) -> OneTimeLinkQuerySet[OneTimeLink]:
        rows: OneTimeLinkQuerySet[OneTimeLink] = type(self)._default_manager  # type: ignore[assignment]
        return rows.open().filter(pk=self.pk)


def _in_a_week() -> datetime:
    return timezone.now() + timedelta(days=7)


class InvitationQuerySet(OneTimeLinkQuerySet["Invitation"]):
    def visible_to(self, actor: Actor) -> Self:
        """Return invitations into organizations that the actor administers."""
        return self.filter(organization__in=actor.organization_ids("admin"))

    def open(self) -> Self:
        """By the same membership, their creator must still be an administrator there."""
        admins = Membership.objects.filter(role=Role.ADMIN, user__is_active=True)
        return super().open().filter(membership__in=admins.values("pk"))


class Invitation(OneTimeLink):
    """A link that makes one person a member, with a new account or an existing one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="invitations"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    name = models.CharField("for whom", max_length=100)
    membership = models.ForeignKey(  # the creator's, with which it ends
        Membership, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=_in_a_week)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} into {self.organization}"

    def accept(self, user: User) -> bool:
        """Make the user a member; True for exactly one caller, False if it is too late.

        An existing member gets the role if it is higher, never a lower one.
        """
        with transaction.atomic():
            if not self.claim():
                return False
            member, is_new = Membership.objects.get_or_create(
                user=user, organization=self.organization, defaults={"role": self.role}
            )
            if not is_new and self.is_promotion(member):
                Membership.objects.filter(pk=member.pk).update(role=self.role)
        return True

    def is_promotion(self, member: Membership | None) -> bool:
        """True if the role is higher than the member's; None stands for no membership."""
        return member is None or ROLE_SCOPES[Role(member.role)] < ROLE_SCOPES[Role(self.role)]

    def revoke(self) -> None:
        """Let it expire now. Idempotent."""
        now = timezone.now()
        Invitation.objects.filter(pk=self.pk, expires_at__gt=now).update(expires_at=now)


def _in_a_day() -> datetime:
    return timezone.now() + timedelta(hours=24)


class SignInLinkQuerySet(OneTimeLinkQuerySet["SignInLink"]):
    def open(self) -> Self:
        """Their user must be active, and `made_by` still staff: for staff a superuser."""
        active = User.objects.filter(is_active=True)
        makers = active.filter(is_staff=True)
        others = active.filter(is_staff=False, is_superuser=False)
        by = (
            models.Q(made_by=None)
            | models.Q(made_by__in=makers.filter(is_superuser=True))
            | models.Q(made_by__in=makers, user__in=others)
        )
        return super().open().filter(by, user__in=active)


class SignInLink(OneTimeLink):
    """A link that signs a user in once. It replaces the password, not the second factor.

    It ends when `made_by` is no longer staff, or when its user becomes staff and `made_by` is no
    superuser (None: made by the command on this machine).
    """

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    made_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    expires_at = models.DateTimeField(default=_in_a_day)

    objects = SignInLinkQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Sign-in link for {self.user}"

    def issue(self) -> str:
        """Save with a new secret, and return it. Deletes the user's earlier unused links."""
        SignInLink.objects.filter(user=self.user, used_at=None).delete()
        return super().issue()


def end_sign_ins(user: User) -> None:
    """End the user's sessions and sign-in tokens, and delete unused sign-in links.

    Tokens created for programs stay valid: the user can revoke them on the tokens page.
    """
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(sign_outs=models.F("sign_outs") + 1)
        user.refresh_from_db(fields=["sign_outs"])
        SignInLink.objects.filter(user=user, used_at=None).delete()
        for token in (Token.objects.sign_ins() & Token.objects.alive()).filter(user=user):
            token.revoke()
