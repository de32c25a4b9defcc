"""People, the organizations they belong to, and what each may do there."""

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

if TYPE_CHECKING:
    from project.accounts.access import Actor

_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
    r"|\[[0-9a-f:]+\]",
    re.IGNORECASE,
)


class User(AbstractUser):
    """A person who signs in. Rights come from memberships; `is_staff` runs the installation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sign_outs = models.PositiveIntegerField(default=0, editable=False)  # see `end_sign_ins`

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session began with, and must still hold: the password, and `sign_outs`."""
        proof: str = super()._get_session_auth_hash(secret)  # type: ignore[misc]
        if not self.sign_outs:
            return proof
        return salted_hmac(
            "cameras.sign_outs", f"{self.sign_outs} {proof}", secret, algorithm="sha256"
        ).hexdigest()


class Role(models.TextChoices):
    """What a member is. Each role may do what the ones above it may."""

    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    ADMIN = "admin", "Administrator"


ROLE_SCOPES: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset({"read", "chat"}),
    Role.OPERATOR: frozenset({"read", "chat", "publish"}),
    Role.ADMIN: frozenset({"read", "chat", "publish", "admin"}),
}


def validate_time_zone(value: str) -> None:
    """Refuse what is not in the IANA database."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"“{value}” is not a time zone; write it like Europe/Berlin.")


def validate_metadata(value: Any) -> None:
    """`metadata` is an object; its `serverHostURL`, where given, is a bare host."""
    if not isinstance(value, dict):
        raise ValidationError("Metadata must be a JSON object.")
    host = value.get("serverHostURL")
    if host is not None and not (isinstance(host, str) and _HOST.fullmatch(host)):
        raise ValidationError("serverHostURL must be a bare host: no scheme, port or path.")


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def visible_to(self, actor: Actor) -> OrganizationQuerySet:
        """Those the actor is a member of, by a credential that reaches them."""
        return self.filter(pk__in=actor.organization_ids("read"))

    def hold(self, pk: uuid.UUID) -> None:
        """Lock it until the transaction ends; nobody's foreign keys wait for that."""
        list(self.select_for_update(no_key=True).filter(pk=pk).values_list("pk"))


class Organization(models.Model):
    """A club, a school, a shop, a lab: the tenant. Everything belongs to exactly one."""

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
        """An empty list passes as an empty value; a field's validators never see it."""
        validate_metadata(self.metadata)

    def server_host(self, request_host: str) -> str:
        """The bare host that viewers connect to; the host of the request unless set."""
        return str(self.metadata.get("serverHostURL") or request_host)


class Membership(models.Model):
    """One person's role in one organization."""

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

    def is_last_admin(self) -> bool:
        """True where the organization would be left without an administrator."""
        others = Membership.objects.filter(organization=self.organization, role=Role.ADMIN)
        return self.role == Role.ADMIN and not others.exclude(pk=self.pk).exists()
