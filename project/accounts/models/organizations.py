"""Users, organizations, and memberships with their roles."""

from __future__ import annotations

import re
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.crypto import salted_hmac

from project.accounts.usernames import validate_new_username

if TYPE_CHECKING:
    from project.accounts.credentials import Actor

_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
    r"|\[[0-9a-f:]+\]",
    re.IGNORECASE,
)


class User(AbstractUser):
    """A user. Rights come from memberships; staff run the installation in the admin."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sign_outs = models.PositiveIntegerField(default=0, editable=False)  # see `end_sign_ins`

    def clean(self) -> None:
        """Validate the username if it is new: an existing one stays valid."""
        super().clean()
        is_stored = User.objects.filter(pk=self.pk, username=self.username).exists()
        if self.username and not is_stored:  # a form leaves out a name that it has refused
            self.validate_username()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; for a new user, check the username, wherever it comes from.

        Raises `ValidationError`.
        """
        if self._state.adding:
            self.username = self.normalize_username(self.username)
            self.validate_username()
        super().save(*args, **kwargs)

    def validate_username(self) -> None:
        """Raise `ValidationError` if people could take the name for that of another user."""
        names = User.objects.exclude(pk=self.pk).values_list("username", flat=True)
        try:
            validate_new_username(self.username, names)
        except ValidationError as error:
            raise ValidationError({"username": error}) from None

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return what a session must match: derived from the password and `sign_outs`."""
        session_hash: str = super()._get_session_auth_hash(secret)  # type: ignore[misc]
        if not self.sign_outs:
            return session_hash
        return salted_hmac(
            "accounts.sign_outs", f"{self.sign_outs} {session_hash}", secret, algorithm="sha256"
        ).hexdigest()


class Role(models.TextChoices):
    """The role of a member. Each role includes those listed before it."""

    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    ADMIN = "admin", "Administrator"


ROLE_SCOPES: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset({"read", "chat"}),
    Role.OPERATOR: frozenset({"read", "chat", "publish"}),
    Role.ADMIN: frozenset({"read", "chat", "publish", "admin"}),
}


def validate_time_zone(value: str) -> None:
    """Validate an IANA time zone name."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"“{value}” is not a time zone; write it like Europe/Berlin.")


def validate_metadata(value: Any) -> None:
    """Validate a JSON object whose `serverHostURL`, if present, is a bare host."""
    if not isinstance(value, dict):
        raise ValidationError("Metadata must be a JSON object.")
    host = value.get("serverHostURL")
    if host is not None and not (isinstance(host, str) and _HOST.fullmatch(host)):
        raise ValidationError("serverHostURL must be a bare host: no scheme, port or path.")


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def known_to(self, actor: Actor) -> OrganizationQuerySet:
        """Return the actor's organizations, whatever it may do there."""
        return self.filter(pk__in=list(actor.roles))

    def visible_to(self, actor: Actor) -> OrganizationQuerySet:
        """Return the organizations in which the actor may read."""
        return self.filter(pk__in=actor.organization_ids("read"))

    def lock(self, pk: uuid.UUID) -> None:
        """Lock a row until the transaction ends. Inserts that refer to it do not wait."""
        list(self.select_for_update(no_key=True).filter(pk=pk).values_list("pk"))


class Organization(models.Model):
    """The tenant: a club, a school, a shop, a lab."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=60, unique=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_metadata])
    audit_days = models.PositiveSmallIntegerField(
        "days that the audit log is kept",
        default=365,
        validators=[MinValueValidator(30), MaxValueValidator(3650)],
        help_text="From 30 to 3650.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Validate `metadata`: Django skips a field's validators for empty values such as `[]`."""
        validate_metadata(self.metadata)

    def server_host(self, request_host: str) -> str:
        """Return the host without a port that viewers connect to: the request's unless set."""
        return str(self.metadata.get("serverHostURL") or request_host)


class Membership(models.Model):
    """A user's role in an organization."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("user__username",)
        constraints = (
            models.UniqueConstraint(fields=("user", "organization"), name="one_role_each"),
        )

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display().lower()} of {self.organization}"

    def clean(self) -> None:
        """A membership keeps its user: tokens, keys and links belong to it."""
        former = Membership.objects.filter(pk=self.pk).first()
        if former is not None and former.user_id != self.user_id:
            raise ValidationError("Remove this member and add the other one instead.")

    def is_last_admin(self) -> bool:
        """True if the organization has no other administrator."""
        others = Membership.objects.filter(organization=self.organization, role=Role.ADMIN)
        return self.role == Role.ADMIN and not others.exclude(pk=self.pk).exists()
