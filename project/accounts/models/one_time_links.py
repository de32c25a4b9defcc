"""One-time links: an invitation into an organization, and a link that signs one person in."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.utils import timezone

from project.accounts.models.organizations import ROLE_SCOPES, Membership, Organization, Role, User
from project.accounts.models.tokens import digest

if TYPE_CHECKING:
    from project.accounts.access import Actor

from project.accounts.models.tokens import Token


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


LINK_LIFE = timedelta(hours=24)


class SignInLink(models.Model):
    """A link that signs one person in once. It stands for the password, not for a second factor."""

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
    def behind(cls, text: str) -> SignInLink | None:
        """The link, where it still signs somebody in."""
        links = cls._open(text).select_related("user")
        return links.filter(user__is_active=True).first()

    @classmethod
    def is_known(cls, text: str) -> bool:
        """Whether there is such a link, even if it is used or too old."""
        return cls.objects.filter(digest=digest(text)).exists()

    @classmethod
    def claim(cls, text: str) -> User | None:
        """Whom the link signs in, exactly once; None where it is used, old or unknown."""
        link = cls.behind(text)
        # No join here: PostgreSQL would not look again at what it waited for.
        if link is None or not cls._open(text).update(used_at=timezone.now()):
            return None
        return link.user

    @classmethod
    def _open(cls, text: str) -> models.QuerySet[SignInLink]:
        now = timezone.now()
        return cls.objects.filter(digest=digest(text), used_at=None, expires_at__gt=now)


def end_sign_ins(user: User) -> None:
    """Whoever is signed in as them is so no longer: browsers, and programs by their sign-in.

    Tokens that were made for programs stay; they have a list of their own. Links that were not
    used yet go.
    """
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(sign_outs=models.F("sign_outs") + 1)
        user.refresh_from_db(fields=["sign_outs"])
        SignInLink.objects.filter(user=user, used_at=None).delete()
        for token in (Token.objects.sign_ins() & Token.objects.alive()).filter(user=user):
            token.revoke()
