"""What was done, and who is watching: the audit log, and the views that are open just now."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from django.db import models
from django.utils import timezone

from project.accounts.models.organizations import Organization, User

if TYPE_CHECKING:
    from project.accounts.access import Actor


class Watched(Protocol):
    """What a view or a deed is about: a camera, of which nothing else is known here."""

    name: str

    @property
    def pk(self) -> Any: ...

    @property
    def organization(self) -> Organization: ...


class Trace(models.Model):
    """Who, from where, about what. Names are copied, for they outlive what they name."""

    user = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    who = models.CharField(max_length=150)
    via = models.CharField(max_length=120, blank=True, default="")  # the credential, in words
    address = models.GenericIPAddressField(null=True)
    organization = models.ForeignKey(
        Organization, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    organization_name = models.CharField(max_length=100, blank=True, default="")
    subject = models.CharField(max_length=200)
    camera_id = models.UUIDField(null=True)

    class Meta:
        abstract = True


class AppendOnly(TypeError):
    """An entry of the log was to be changed or removed."""


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Adds and reads. `expire` is the one way out, and the database judges it: see
    `project/audit/triggers.py`."""

    def update(self, **changes: Any) -> int:
        raise AppendOnly("Entries of the audit log are not changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly("Entries of the audit log go when their time is over, not before.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise AppendOnly("Entries of the audit log are not changed.")

    def expire(self) -> int:
        """Remove these; the database refuses (`IntegrityError`) unless all of them are old."""
        return self._raw_delete(self.db)

    def visible_to(self, actor: Actor) -> AuditEntryQuerySet:
        """Those about organizations that the actor administers."""
        return self.filter(organization__in=actor.organization_ids("admin"))


class AuditEntry(Trace):
    """One thing that was done: written once, never changed; see the migration for the database's
    own word on it. What is done is written by `project.audit.note`.

    `started_at` and `ended_at` are set for what lasts, such as a view of a camera; `at` is then
    when it ended.
    """

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=60)
    detail = models.CharField(max_length=300, blank=True, default="")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        ordering = ("-at", "-pk")
        verbose_name_plural = "audit entries"
        indexes = (models.Index(fields=("organization", "-at"), name="audit_of_organization"),)

    def __str__(self) -> str:
        return f"{self.who}: {self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly("An entry is written once.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly("Entries of the audit log go when their time is over, not before.")

    @property
    def duration(self) -> timedelta | None:
        """How long it lasted, in whole seconds; None for what was done in a moment."""
        if self.started_at is None or self.ended_at is None:
            return None
        return timedelta(seconds=round((self.ended_at - self.started_at).total_seconds()))


class Viewing(Trace):
    """A view that is open now; its entry is written when it ends, or its process is found dead.

    `seen_at` is by the database's clock, which is the one that all processes share.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=60)
    process = models.CharField(max_length=120)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.who}: {self.action} {self.subject}"

    def entry(self, ended_at: datetime) -> AuditEntry:
        """What the log says of it. Not saved."""
        ended_at = max(ended_at, self.started_at)
        copied = {field.attname: getattr(self, field.attname) for field in Trace._meta.fields}
        return AuditEntry(
            **copied, action=self.action, at=ended_at, started_at=self.started_at, ended_at=ended_at
        )


def line(text: object, most: int) -> str:
    """One printable line of at most `most` characters, which every database takes."""
    whole = str(text)[: 4 * most].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    plain = "".join(one if one.isprintable() else " " for one in whole).strip()
    return plain if len(plain) <= most else plain[: most - 1] + "…"
