"""The audit log of the whole installation in the admin: read, filter, export as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.dateformat import format as as_date

from project.accounts.access import actor_for_request
from project.accounts.credentials import Credential, actor_for
from project.accounts.models import Organization
from project.audit.export import csv_response, log_reading
from project.audit.filters import AuditFilter
from project.audit.log import Action
from project.audit.model_admin import BoundedSearchAdmin
from project.audit.models import AuditEntry


class _FormFilter(admin.ListFilter):
    """Some conditions of `AuditFilter`, as fields of a form that keeps the other filters."""

    template = "admin/audit/auditentry/filter.html"
    parameters: tuple[tuple[str, str, str], ...]  # name in the query string, label, input type

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self._names():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def expected_parameters(self) -> list[str | None]:
        return [*self._names()]

    def _names(self) -> list[str]:
        return [name for name, _, _ in self.parameters]

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[AuditEntry]:
        query = {str(name): str(value) for name, value in self.used_parameters.items()}
        return AuditFilter.from_query(query, UTC).apply(queryset)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the form's fields, then the query parameters that the form keeps."""
        for name, label, kind in self.parameters:
            yield {
                "name": name, "label": label, "type": kind,
                "value": self.used_parameters.get(name, ""),
            }  # fmt: skip
        own = {*self._names(), PAGE_VAR}
        yield {"other_params": [(k, v) for k, v in changelist.params.items() if k not in own]}


class DayFilter(_FormFilter):
    title = "day (UTC)"
    parameters = (("since", "From", "date"), ("until", "To", "date"))


class WhoFilter(_FormFilter):
    title = "who"
    parameters = (("who", "Who", "text"),)


class CameraFilter(_FormFilter):
    title = "camera"
    parameters = (("camera", "Camera", "text"),)


class ActionFilter(admin.SimpleListFilter):
    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action[0].upper() + action[1:]) for action in Action]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[AuditEntry]:
        return AuditFilter.from_query({"action": self.value() or ""}, UTC).apply(queryset)


@admin.register(AuditEntry)
class AuditEntryAdmin(BoundedSearchAdmin[AuditEntry]):
    """Read-only. Each reading makes an entry, too."""

    list_display = (
        "time", "who", "via", "address", "action", "subject", "times", "lasted",
        "organization_label", "detail",
    )  # fmt: skip
    list_filter = (DayFilter, WhoFilter, CameraFilter, ActionFilter, "organization")
    search_fields = ("who", "subject", "detail", "address")
    search_help_text = "Who, what, details or an address. Reading this log is recorded in it."
    fields = (
        "time", "who", "via", "address", "action", "subject", "detail", "organization_label",
        "camera_id", "started_at", "ended_at", "lasted", "times",
    )  # fmt: skip
    readonly_fields = fields
    sortable_by = ("time",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each facet would count the whole log
    list_per_page = 100
    list_max_show_all = 0

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export_view)
        return [path("export.csv", export, name="audit_auditentry_export"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.has_view_permission(request):
            log_reading(request, _query_text(request), None)
        return super().changelist_view(request, extra_context)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> AuditEntry | None:
        entry = super().get_object(request, object_id, from_field)
        if entry is not None and self.has_view_permission(request, entry):
            # The organization may have been deleted, or there was none: None then.
            organization = Organization.objects.filter(pk__in=[entry.organization_id]).first()
            log_reading(request, f"entry {entry.pk}", organization)
        return entry

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise PermissionDenied("An entry has no history: it never changes.")

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Export all pages of the list, with the same filters."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        entries: Any = self.get_changelist_instance(request).get_queryset(request)
        log_reading(request, _query_text(request), None, export=True)
        credential = actor_for_request(request).credential
        return csv_response(request, entries, "audit", lambda: _may_read(credential))

    @admin.display(description="when (UTC)", ordering="at")
    def time(self, entry: AuditEntry) -> str:
        return as_date(entry.at, "j M Y, H:i:s")

    @admin.display(description="organization")
    def organization_label(self, entry: AuditEntry) -> str:
        return entry.organization_name

    @admin.display(description="times")
    def times(self, entry: AuditEntry) -> str:
        return entry.times

    @admin.display(description="duration")
    def lasted(self, entry: AuditEntry) -> str:
        return "" if entry.duration is None else str(entry.duration)


def _may_read(credential: Credential) -> bool:
    """True if the credential is still valid and its user may still read the log."""
    actor = actor_for(credential)
    user = actor.user if actor else None
    return user is not None and user.is_staff and user.has_perm("audit.view_auditentry")


def _query_text(request: HttpRequest) -> str:
    """Return the list's filters as text, from the query string."""
    ignored = (PAGE_VAR, ORDER_VAR, "_facets")
    query = {"search" if k == SEARCH_VAR else k: v for k, v in request.GET.items()
             if v and k not in ignored}  # fmt: skip
    return "; ".join(f"{name} {value}" for name, value in sorted(query.items()))
