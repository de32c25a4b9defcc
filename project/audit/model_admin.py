"""Base classes of the product's admin: they write the audit log."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

from project.accounts.models import Organization, Token
from project.audit.log import Action, differences, fetch_stored, log_action
from project.search import words_of

M = TypeVar("M", bound=Model)
# Columns with secrets or digests, which a changelist's query string could filter by.
SECRETS = {
    "digest", "parent_credential_id", "password", "sealed_key", "sealed_secret", "sealed_source",
    "token_key",
}  # fmt: skip


class CountedDeletionAdmin(admin.ModelAdmin[M]):
    """Counts related objects before a deletion. It does not list them: names may be private."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        _, counts, permissions, protected = super().get_deleted_objects(objs, request)
        return [str(row) for row in objs], counts, permissions, protected


class AuditedAdmin(admin.ModelAdmin[M]):
    """Writes changes to the audit log, besides Django's own admin log."""

    added: ClassVar[Action]
    changed: ClassVar[Action]
    removed: ClassVar[Action]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """Search for as many words as one would type: each is a condition of the statement."""
        words = " ".join(words_of(search_term))
        return super().get_search_results(request, queryset, words)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse filters on secrets: `__startswith` would reveal them letter by letter.

        Django itself allows lookups of foreign primary keys, and some of ours are digests.
        """
        is_safe = SECRETS.isdisjoint(lookup.split(LOOKUP_SEP))
        return is_safe and super().lookup_allowed(lookup, value, request)

    def organization_of(self, row: M) -> Organization | None:
        """Return the organization that the row belongs to, if any."""
        organization: Organization | None = getattr(row, "organization", None)
        return organization

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        before = fetch_stored(obj) if change else None
        super().save_model(request, obj, form, change)
        self.log_saved(request, before, obj)

    def log_saved(self, request: HttpRequest, before: M | None, after: M) -> None:
        """Write an entry for a new row, or for what changed in it; none if nothing did."""
        if before is None:
            log_action(
                request, self.added, after, self.organization_of(after), detail="in the admin"
            )
        elif changes := differences(before, after):
            log_action(request, self.changed, after, self.organization_of(after), detail=changes)

    def log_removed(self, request: HttpRequest, row: M) -> None:
        log_action(request, self.removed, row, self.organization_of(row), detail="in the admin")

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        self.log_removed(request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        with transaction.atomic():
            for row in queryset:
                self.log_removed(request, row)
            super().delete_queryset(request, queryset)


class RevokeOnlyAdmin(AuditedAdmin[Any]):
    """Credentials: can be viewed, deleted and revoked here; never added or changed."""

    actions = ("revoke",)
    revoked: ClassVar[Action]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def log_removed(self, request: HttpRequest, row: Any) -> None:
        """Log a deletion as a revocation: the holder loses the credential."""
        camera = getattr(row, "camera", None)
        organization = camera.organization if camera else row.organization
        owner = f"of {row.user}" if isinstance(row, Token) else ""
        log_action(request, self.revoked, row.name, organization, camera=camera, detail=owner)

    @admin.action(description="Revoke", permissions=["delete"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for row in queryset:
                self.log_removed(request, row)
                row.revoke()
        self.message_user(request, f"Revoked: {len(queryset)}.")
