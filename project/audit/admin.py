"""The audit log of the whole installation in the admin: the page of organizations, with all."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from project.audit.models import AuditEntry
from project.audit.views import export_log, show_log


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin[AuditEntry]):
    """Read-only: it has a list and an export, and no other page."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        own = self.admin_site.admin_view
        return [
            path("", own(self.changelist_view), name="audit_auditentry_changelist"),
            path("export.csv", own(self.export_view), name="audit_auditentry_export"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        self._check(request)
        return show_log(request, None)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        self._check(request)
        return export_log(request, None)

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
