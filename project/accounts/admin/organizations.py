"""Organizations and their members."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest

from project.accounts.admin.users import can_change_account
from project.accounts.models import Membership, Organization
from project.accounts.models.passes import describe_passes, passes_of
from project.audit.log import Action, log_action
from project.audit.model_admin import AuditedAdmin, CountedDeletionAdmin

STAFF_MEMBERSHIP = (
    "Memberships of staff, one’s own as well, are changed by superusers alone; here that of {}."
)


class _MemberFormSet(BaseInlineFormSet):  # type: ignore[type-arg] # no generic at run time
    """Let only superusers change memberships of staff: a role gives scopes, also to oneself."""

    request: ClassVar[HttpRequest]

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            if form.has_changed() or form in self.deleted_forms:
                former = [member.user for member in Membership.objects.filter(pk=form.instance.pk)]
                for person in (*former, form.cleaned_data.get("user")):
                    if not can_change_account(self.request, person):
                        raise ValidationError(STAFF_MEMBERSHIP.format(person))


class MembershipInline(admin.TabularInline[Membership, Organization]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)
    readonly_fields = ("passes",)

    @admin.display(description="keys and links that end with it")
    def passes(self, member: Membership) -> str:
        return describe_passes(passes_of(member)) or "none"

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        kwargs["formset"] = type("Members", (_MemberFormSet,), {"request": request})
        return super().get_formset(request, obj, **kwargs)


@admin.register(Organization)
class OrganizationAdmin(CountedDeletionAdmin[Organization], AuditedAdmin[Organization]):
    list_display = ("name", "slug", "time_zone", "members", "cameras", "audit_days")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}  # noqa: RUF012 - Django's attribute
    inlines = (MembershipInline,)
    added = Action.ADD_ORGANIZATION
    changed = Action.CHANGE_ORGANIZATION
    removed = Action.REMOVE_ORGANIZATION

    def organization_of(self, row: Organization) -> Organization:
        return row

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Log added and removed members, and changed roles."""
        before = dict(form.instance.memberships.values_list("pk", "role"))
        ended = {
            deleted.instance.user_id: describe_passes(passes_of(deleted.instance))
            for deleted in formset.deleted_forms
        }
        super().save_formset(request, form, formset, change)

        def write(action: Action, member: Membership, detail: str = "") -> None:
            log_action(request, action, member.user.username, form.instance, detail=detail)

        for member in formset.new_objects:
            write(Action.ADD_MEMBER, member, f"as {member.role}")
        for member, _ in formset.changed_objects:
            roles = f"{before.get(member.pk)} → {member.role}"
            write(Action.CHANGE_ROLE, member, roles)
        for member in formset.deleted_objects:
            count = ended.get(member.user_id, "")
            write(Action.REMOVE_MEMBER, member, f"ended {count}" if count else "")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                member_count=Count("memberships", distinct=True),
                camera_count=Count("cameras", distinct=True),
            )
        )

    @admin.display(ordering="member_count")
    def members(self, organization: Any) -> int:
        return int(organization.member_count)

    @admin.display(ordering="camera_count")
    def cameras(self, organization: Any) -> int:
        return int(organization.camera_count)
