"""The audit log of the whole installation: read, filtered, taken away as CSV, and nothing else."""

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

from project.accounts.access import Credential, actor_behind, actor_of
from project.accounts.models import Organization
from project.audit.export import as_file, note_reading
from project.audit.filters import Looked
from project.audit.log import Action
from project.audit.models import AuditEntry


class _Looked(admin.ListFilter):
    """A part of `Looked`, as fields of a small form that keeps what else is filtered."""

    template = "admin/audit/auditentry/filter.html"
    parameters: tuple[tuple[str, str, str], ...]  # name in the address, label, type of the input

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
        asked = {str(name): str(value) for name, value in self.used_parameters.items()}
        return Looked.of(asked, UTC).among(queryset)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """The fields; the last choice is what the form keeps."""
        for name, label, kind in self.parameters:
            yield {
                "name": name, "label": label, "type": kind,
                "value": self.used_parameters.get(name, ""),
            }  # fmt: skip
        mine = {*self._names(), PAGE_VAR}
        yield {"kept": [(k, v) for k, v in changelist.params.items() if k not in mine]}


class Between(_Looked):
    title = "day (UTC)"
    parameters = (("since", "From", "date"), ("until", "To", "date"))


class Who(_Looked):
    title = "who"
    parameters = (("who", "Who", "text"),)


class OfCamera(_Looked):
    title = "camera"
    parameters = (("camera", "Camera", "text"),)


class Done(admin.SimpleListFilter):
    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one, one[0].upper() + one[1:]) for one in Action]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[AuditEntry]:
        return Looked.of({"action": self.value() or ""}, UTC).among(queryset)


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin[AuditEntry]):
    """Read, and nothing else: what is written down stays. Who reads it is written down, too."""

    list_display = (
        "time", "who", "via", "address", "action", "subject", "lasted", "home", "detail",
    )  # fmt: skip
    list_filter = (Between, Who, OfCamera, Done, "organization")
    search_fields = ("who", "subject", "detail", "address")
    search_help_text = "Who, what, details or an address. Reading this log is written down in it."
    fields = (
        "time", "who", "via", "address", "action", "subject", "detail", "home", "camera_id",
        "started_at", "ended_at", "lasted",
    )  # fmt: skip
    readonly_fields = fields
    sortable_by = ("time",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would count the whole log
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
            note_reading(request, _asked(request), None)
        return super().changelist_view(request, extra_context)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> AuditEntry | None:
        entry = super().get_object(request, object_id, from_field)
        if entry is not None and self.has_view_permission(request, entry):
            homes = Organization.objects.filter(pk__in=[entry.organization_id])
            home = homes.first()  # None where it is gone, or was none
            note_reading(request, f"entry {entry.pk}", home)
        return entry

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise PermissionDenied("An entry has no history: it is never changed.")

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Exactly what the list shows with the same filters, all pages of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found: Any = self.get_changelist_instance(request).get_queryset(request)
        note_reading(request, _asked(request), None, export=True)
        grant = actor_of(request).grant
        return as_file(request, found, "audit", lambda: _may_read(grant))

    @admin.display(description="when (UTC)", ordering="at")
    def time(self, entry: AuditEntry) -> str:
        return as_date(entry.at, "j M Y, H:i:s")

    @admin.display(description="organization")
    def home(self, entry: AuditEntry) -> str:
        return entry.organization_name

    @admin.display(description="duration")
    def lasted(self, entry: AuditEntry) -> str:
        return "" if entry.duration is None else str(entry.duration)


def _may_read(grant: Credential) -> bool:
    """Whether who signed in by it is still let into this list."""
    actor = actor_behind(*grant)
    user = actor.user if actor else None
    return user is not None and user.is_staff and user.has_perm("audit.view_auditentry")


def _asked(request: HttpRequest) -> str:
    """The filters of the list, as the address has them."""
    left_out = (PAGE_VAR, ORDER_VAR, "_facets")
    asked = {"search" if k == SEARCH_VAR else k: v for k, v in request.GET.items()
             if v and k not in left_out}  # fmt: skip
    return "; ".join(f"{name} {value}" for name, value in sorted(asked.items()))
