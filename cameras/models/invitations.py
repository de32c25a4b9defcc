"""Being asked into an organization, by a link."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.utils import timezone

from cameras.models.credentials import digest
from cameras.models.organizations import ROLE_SCOPES, Membership, Organization, Role, User

if TYPE_CHECKING:
    from cameras.actors import Actor


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def visible_to(self, actor: Actor) -> InvitationQuerySet:
        """Those into organizations that the actor administers."""
        return self.filter(organization__in=actor.organization_ids("admin"))

    def open(self) -> InvitationQuerySet:
        """Those that can be accepted: who made them must still be an administrator there."""
        maker = Membership.objects.filter(  # not a join: an UPDATE looks at the row itself
            user=models.OuterRef("created_by"),
            organization=models.OuterRef("organization"),
            role=Role.ADMIN,
            user__is_active=True,
        )
        return self.filter(
            models.Exists(maker),
            accepted_at=None,
            revoked_at=None,
            expires_at__gt=timezone.now(),
        )


def _in_a_week() -> datetime:
    return timezone.now() + timedelta(days=7)


class Invitation(models.Model):
    """A link that makes one person a member: a new account, or the one they have."""

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
    def behind(cls, text: str) -> Invitation | None:
        """The invitation that a link's secret opens; None where it is used, over or unknown."""
        invitations = cls.objects.open().select_related("organization", "created_by")
        return invitations.filter(digest=digest(text)).first()

    @classmethod
    def is_known(cls, text: str) -> bool:
        """Whether there is such an invitation, even if it is used, over or revoked."""
        return cls.objects.filter(digest=digest(text)).exists()

    def accept(self, user: User) -> bool:
        """Make the person a member; True for exactly one caller, False where it is too late.

        A member who may less than invited to is given the role; nobody is given less.
        """
        with transaction.atomic():
            mine = Invitation.objects.open().filter(pk=self.pk)
            if not mine.update(accepted_at=timezone.now(), accepted_by=user):
                return False
            member, made = Membership.objects.get_or_create(
                user=user, organization=self.organization, defaults={"role": self.role}
            )
            if not made and self.raises(member):
                Membership.objects.filter(pk=member.pk).update(role=self.role)
        return True

    def raises(self, member: Membership | None) -> bool:
        """Whether it would give somebody more than they have."""
        return member is None or ROLE_SCOPES[Role(member.role)] < ROLE_SCOPES[Role(self.role)]

    def revoke(self) -> None:
        """From now on the link opens nothing."""
        unused = Invitation.objects.filter(pk=self.pk, accepted_at=None, revoked_at=None)
        unused.update(revoked_at=timezone.now())

    def issue(self) -> str:
        """Save under a new secret and return it: the only time it can be read."""
        text = secrets.token_urlsafe(32)
        self.digest = digest(text)
        self.save()
        return text
