"""Groups and permissions, with their changes in the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from project.audit.log import Action, log_action
from project.audit.model_admin import AuditedAdmin


def _permissions(row: Any) -> set[str]:
    """Return the names of a user's groups and permissions, or a group's permissions."""
    groups = getattr(row, "groups", None)
    names = {f"group {each.name}" for each in groups.all()} if groups is not None else set()
    permissions = row.user_permissions if groups is not None else row.permissions
    return names | set(permissions.values_list("codename", flat=True))


def _difference(before: set[str], after: set[str]) -> str:
    return ", ".join([*(f"+{one}" for one in sorted(after - before)),
                      *(f"−{one}" for one in sorted(before - after))])  # fmt: skip


class AuditedPermissionsAdmin(AuditedAdmin[Any]):
    """Log changed groups and permissions, which Django saves after the row itself."""

    added, changed, removed = Action.ADD_PERSON, Action.CHANGE_PERSON, Action.REMOVE_PERSON

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = _permissions(form.instance)
        super().save_related(request, form, formsets, change)
        if difference := _difference(before, _permissions(form.instance)):
            row = form.instance
            log_action(
                request,
                self.changed,
                row,
                self.organization_of(row),
                detail=f"rights: {difference}",
            )


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedPermissionsAdmin, admin.ModelAdmin[Group]):
    """Groups of users with the same permissions."""

    search_fields = ("name",)
    filter_horizontal = ("permissions",)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """Let only superusers change permissions: staff may be in the group themselves."""
        fields = super().get_readonly_fields(request, obj)
        return fields if request.user.is_superuser else (*fields, "permissions")

    def log_saved(self, request: HttpRequest, before: Any, after: Any) -> None:
        if before is None or before.name != after.name:
            log_action(request, self.changed, f"group {after.name}", detail="in the admin")

    def log_removed(self, request: HttpRequest, row: Any) -> None:
        log_action(request, self.changed, f"group {row.name}", detail="removed")
