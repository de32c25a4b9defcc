"""One-time links: invitations into an organization, and sign-in links."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.utils import timezone

from project.accounts.models.organizations import ROLE_SCOPES, Membership, Organization, Role, User
from project.accounts.models.tokens import Token, digest

if TYPE_CHECKING:
    from project.accounts.credentials import Actor


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def visible_to(self, actor: Actor) -> InvitationQuerySet:
        """Return invitations into organizations that the actor administers."""
        return self.filter(organization__in=actor.organization_ids("admin"))

    def open(self) -> InvitationQuerySet:
        """Return those that can be accepted: by the same membership, their creator must still be an
        administrator there."""
        creator = Membership.objects.filter(  # not a join: an UPDATE looks at the row itself
            pk=models.OuterRef("membership"),
            user=models.OuterRef("created_by"),
            role=Role.ADMIN,
            user__is_active=True,
        )
        return self.filter(
            models.Exists(creator),
            accepted_at=None,
            revoked_at=None,
            expires_at__gt=timezone.now(),
        )


def _in_a_week() -> datetime:
    return timezone.now() + timedelta(days=7)


class Invitation(models.Model):
    """A link that makes one person a member, with a new account or an existing one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="invitations"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    name = models.CharField("for whom", max_length=100)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    membership = models.ForeignKey(  # the creator's, with which it ends
        Membership, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(default=_in_a_week)
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} into {self.organization}"

    @classmethod
    def find_open(cls, text: str) -> Invitation | None:
        """Return the invitation of a link's secret; None if it cannot be accepted or is unknown."""
        invitations = cls.objects.open().select_related("organization", "created_by")
        return invitations.filter(digest=digest(text)).first()

    @classmethod
    def is_known(cls, text: str) -> bool:
        """True if the invitation exists, even if it is used, expired or revoked."""
        return cls.objects.filter(digest=digest(text)).exists()

    def accept(self, user: User) -> bool:
        """Make the user a member; True for exactly one caller, False if it is too late.

        An existing member gets the role if it is higher, never a lower one.
        """
        with transaction.atomic():
            invitation = Invitation.objects.open().filter(pk=self.pk)
            if not invitation.update(accepted_at=timezone.now(), accepted_by=user):
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
        """Make the link invalid. Idempotent."""
        unused = Invitation.objects.filter(pk=self.pk, accepted_at=None, revoked_at=None)
        unused.update(revoked_at=timezone.now())

    def issue(self) -> str:
        """Save with a new secret, and return the secret, which is not stored."""
        text = secrets.token_urlsafe(32)
        self.digest = digest(text)
        members = Membership.objects.filter(user=self.created_by, organization=self.organization)
        self.membership = members.first()
        self.save()
        return text


LINK_LIFE = timedelta(hours=24)


class SignInLink(models.Model):
    """A link that signs a user in once. It replaces the password, not the second factor.

    It ends when `made_by` is no longer staff (None: made by the command on this machine).
    """

    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    made_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Sign-in link for {self.user}"

    @classmethod
    def issue(cls, user: User, made_by: User | None = None) -> str:
        """Create a link and return its secret. Deletes the user's earlier unused links."""
        cls.objects.filter(user=user, used_at=None).delete()
        text = secrets.token_urlsafe(24)
        until = timezone.now() + LINK_LIFE
        cls.objects.create(digest=digest(text), user=user, made_by=made_by, expires_at=until)
        return text

    @classmethod
    def find_open(cls, text: str) -> SignInLink | None:
        """Return the link of a secret; None if it does not sign in an active user."""
        links = cls._open(text).select_related("user")
        return links.filter(user__is_active=True).first()

    @classmethod
    def is_known(cls, text: str) -> bool:
        """True if the link exists, even if it is used or expired."""
        return cls.objects.filter(digest=digest(text)).exists()

    @classmethod
    def claim(cls, text: str) -> User | None:
        """Use the link up and return its user, to exactly one caller; None if it is not valid."""
        link = cls.find_open(text)
        # Without a join: PostgreSQL does not re-check joined rows after waiting for a lock.
        if link is None or not cls._open(text).update(used_at=timezone.now()):
            return None
        return link.user

    @classmethod
    def _open(cls, text: str) -> models.QuerySet[SignInLink]:
        staff = User.objects.filter(is_active=True, is_staff=True).values("pk")
        by = models.Q(made_by=None) | models.Q(made_by__in=staff)
        links = cls.objects.filter(by, digest=digest(text), used_at=None)
        return links.filter(expires_at__gt=timezone.now())


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
