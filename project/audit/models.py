"""The audit log, and the views of cameras that are open now."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from django.db import models
from django.utils import timezone

from project.accounts.models.organizations import Organization, User

if TYPE_CHECKING:
    from project.accounts.credentials import Actor


class CameraLike(Protocol):
    """What this package needs of a camera: it must not import the cameras app."""

    name: str

    @property
    def pk(self) -> Any: ...

    @property
    def organization(self) -> Organization: ...


class AuditRecord(models.Model):
    """Who, from where, about what. Names are copied: entries outlive the rows they are about."""

    user = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    who = models.CharField(max_length=150)
    via = models.CharField(max_length=120, blank=True, default="")  # the credential
    address = models.GenericIPAddressField(null=True)
    organization = models.ForeignKey(
        Organization, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    organization_name = models.CharField(max_length=100, blank=True, default="")
    subject = models.CharField(max_length=200)
    camera_id = models.UUIDField(null=True)
    action: Any  # columns of both models
    openings: Any  # 0: the view began the day before

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.who}: {self.action} {self.subject}"

    @property
    def times(self) -> str:
        """Return how often a view was opened, for pages; empty for once."""
        if self.openings is None or self.openings == 1:
            return ""
        return f"{self.openings:,} times" if self.openings else "continued"


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """The database's triggers allow no change; see `project/audit/triggers.py`."""

    def visible_to(
        self, actor: Actor | None, organization: Organization | None
    ) -> AuditEntryQuerySet:
        """Return an organization's entries for its administrators; without one, all for staff."""
        if actor is None:
            return self.none()
        if organization is not None:
            may_read = actor.has_scope("admin", organization.pk)
            return self.filter(organization=organization) if may_read else self.none()
        user = actor.user
        may_read = user is not None and user.is_staff and user.has_perm("audit.view_auditentry")
        return self.all() if may_read else self.none()


class AuditEntry(AuditRecord):
    """One action. Written once, by `log_action`, and never changed: triggers enforce it.

    `started_at` and `ended_at` are set for actions that last, such as a view of a camera; `at` is
    then the end.
    """

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=60)
    detail = models.CharField(max_length=300, blank=True, default="")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    openings = models.PositiveIntegerField(null=True)  # of a view

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        ordering = ("-at", "-pk")
        verbose_name_plural = "audit entries"
        indexes = (models.Index(fields=("organization", "-at"), name="audit_of_organization"),)

    @property
    def duration(self) -> timedelta | None:
        """Return how long the action lasted, in whole seconds; None if it has no start and end."""
        if self.started_at is None or self.ended_at is None:
            return None
        return timedelta(seconds=round((self.ended_at - self.started_at).total_seconds()))


class Viewing(AuditRecord):
    """A view that has not ended. See `project/audit/open_views.py`, which makes its id.

    `seen_at`, when it was last known to go on, is by the database's clock, which all processes
    share.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=60)
    openings = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("-started_at",)

    @property
    def has_content(self) -> bool:
        """False if an entry says it all already, and nothing was seen since."""
        return bool(self.openings) or self.seen_at > self.started_at

    def entry(self) -> AuditEntry:
        """Return the entry of the view, unsaved."""
        ended_at = max(self.seen_at, self.started_at)
        copied = {field.attname: getattr(self, field.attname) for field in AuditRecord._meta.fields}
        return AuditEntry(
            **copied, action=self.action, at=ended_at, started_at=self.started_at,
            ended_at=ended_at, openings=self.openings,
        )  # fmt: skip


def single_line(text: object, max_length: int) -> str:
    """Return `text` as one printable line, cut to `max_length` characters, valid in any database.

    Lone surrogates, which no database accepts, become U+FFFD.
    """
    start = str(text)[: 4 * max_length]  # bounds the work on long input
    valid = start.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    plain = "".join(char if char.isprintable() else " " for char in valid).strip()
    return plain if len(plain) <= max_length else plain[: max_length - 1] + "…"
