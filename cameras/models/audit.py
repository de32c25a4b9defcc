"""Who looked at what belongs to others: rows that are written once and never changed."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest

from cameras.models.organizations import Organization, User


class AuditEntry(models.Model):
    """One look or change: who, from where, what, when. The name outlives the account."""

    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    who = models.CharField(max_length=150)
    address = models.GenericIPAddressField(null=True)
    organization = models.ForeignKey(
        Organization, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)

    class Meta:
        ordering = ("-at", "-pk")
        verbose_name_plural = "audit entries"

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
            action=action,
            subject=subject[:200],
        )
