"""What the admin's pages have in common: they write down what is done, and count what goes."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

from project.accounts.models import Organization, Token
from project.audit.log import Action, as_stored, differences, note

M = TypeVar("M", bound=Model)
# What proves something, and what is sealed: columns of any row that a list's address could name.
SECRETS = {
    "digest", "parent_proof", "password", "sealed_key", "sealed_secret", "sealed_source",
    "token_key",
}  # fmt: skip


class CountsWhatGoes(admin.ModelAdmin[M]):
    """Before a deletion, what goes along is counted, not listed: names in it may be private."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        _, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return [str(one) for one in objs], counts, lacking, protected


class Noted(admin.ModelAdmin[M]):
    """Django's own log of the admin knows who clicked; the audit log is told as well."""

    added: ClassVar[Action]
    changed: ClassVar[Action]
    removed: ClassVar[Action]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Secrets are not read letter by letter, by what a list finds. Django's own rule lets
        primary keys of other rows pass, and some of ours are digests."""
        harmless = SECRETS.isdisjoint(lookup.split(LOOKUP_SEP))
        return harmless and super().lookup_allowed(lookup, value, request)

    def home_of(self, row: M) -> Organization | None:
        """The organization that a row belongs to."""
        found: Organization | None = getattr(row, "organization", None)
        return found

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        before = as_stored(obj) if change else None
        super().save_model(request, obj, form, change)
        self.note_saved(request, before, obj)

    def note_saved(self, request: HttpRequest, before: M | None, after: M) -> None:
        """Write down the difference; nothing where there is none."""
        if before is None:
            note(request, self.added, after, self.home_of(after), detail="in the admin")
        elif said := differences(before, after):
            note(request, self.changed, after, self.home_of(after), detail=said)

    def note_removed(self, request: HttpRequest, row: M) -> None:
        note(request, self.removed, row, self.home_of(row), detail="in the admin")

    def delete_model(self, request: HttpRequest, obj: M) -> None:
        self.note_removed(request, obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        with transaction.atomic():
            for one in queryset:
                self.note_removed(request, one)
            super().delete_queryset(request, queryset)


class ReadOnly(Noted[Any]):
    """May be looked at, deleted and revoked; never made or changed here."""

    actions = ("revoke",)
    revoked: ClassVar[Action]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def note_removed(self, request: HttpRequest, row: Any) -> None:
        """Who deletes it takes it from who holds it, as well."""
        camera = getattr(row, "camera", None)
        home = camera.organization if camera else row.organization
        whose = f"of {row.user}" if isinstance(row, Token) else ""
        note(request, self.revoked, row.name, home, camera=camera, detail=whose)

    @admin.action(description="Revoke", permissions=["delete"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        with transaction.atomic():
            for one in chosen:
                self.note_removed(request, one)
                one.revoke()
        self.message_user(request, f"Revoked: {len(chosen)}.")
