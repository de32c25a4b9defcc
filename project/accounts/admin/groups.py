"""Groups and permissions: what people get besides a role, and what is written down about it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from project.audit.log import Action, note
from project.audit.model_admin import Noted


def _rights(row: Any) -> set[str]:
    """The groups and permissions that somebody was given, by name."""
    groups = getattr(row, "groups", None)
    named = {f"group {one.name}" for one in groups.all()} if groups is not None else set()
    given = row.user_permissions if groups is not None else row.permissions
    return named | set(given.values_list("codename", flat=True))


def _difference(before: set[str], after: set[str]) -> str:
    return ", ".join([*(f"+{one}" for one in sorted(after - before)),
                      *(f"−{one}" for one in sorted(before - after))])  # fmt: skip


class WithRights(Noted[Any]):
    """Groups and permissions are saved after the row itself."""

    added, changed, removed = Action.ADD_PERSON, Action.CHANGE_PERSON, Action.REMOVE_PERSON

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = _rights(form.instance)
        super().save_related(request, form, formsets, change)
        if said := _difference(before, _rights(form.instance)):
            row = form.instance
            note(request, self.changed, row, self.home_of(row), detail=f"rights: {said}")


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(WithRights, admin.ModelAdmin[Group]):
    """Permissions that several people have."""

    search_fields = ("name",)
    filter_horizontal = ("permissions",)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """One may be in the group oneself."""
        mine = super().get_readonly_fields(request, obj)
        return mine if request.user.is_superuser else (*mine, "permissions")

    def note_saved(self, request: HttpRequest, before: Any, after: Any) -> None:
        if before is None or before.name != after.name:
            note(request, self.changed, f"group {after.name}", detail="in the admin")

    def note_removed(self, request: HttpRequest, row: Any) -> None:
        note(request, self.changed, f"group {row.name}", detail="removed")
