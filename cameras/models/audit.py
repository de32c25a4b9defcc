"""What was done, and who is watching: the audit log, and the views that are open just now."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from cameras.models.organizations import Organization, User


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


class AuditEntry(Trace):
    """One thing that was done: written once, never changed; see the migration for the database's
    own word on it.

    `started_at` and `ended_at` are set for what lasts, such as a view of a camera.
    """

    at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=60)
    detail = models.CharField(max_length=300, blank=True, default="")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-at", "-pk")
        verbose_name_plural = "audit entries"
        indexes = (models.Index(fields=("organization", "-at"), name="audit_of_organization"),)

    def __str__(self) -> str:
        return f"{self.who}: {self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        assert self._state.adding, "an entry is written once"
        super().save(*args, **kwargs)

    @classmethod
    def note(
        cls, request: HttpRequest, action: str, subject: str, organization: Organization | None
    ) -> None:
        """Write down what the person behind a request does."""
        user = request.user
        cls.objects.create(
            user=user if isinstance(user, User) else None,
            who=user.get_username(),
            address=request.META.get("REMOTE_ADDR") or None,
            organization=organization,
            organization_name=organization.name if organization else "",
            action=action,
            subject=subject[:200],
        )


class Viewing(Trace):
    """A view that is open now; its entry is written when it ends, or its process is found dead."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=60)
    process = models.CharField(max_length=120)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.who} watches {self.subject}"
