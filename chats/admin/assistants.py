"""Assistants in the admin, with a page for usage and the model test."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from chats.forms import AssistantForm
from chats.models import Assistant
from chats.services import check_model
from chats.usage_report import usage_of
from project.accounts.models import Organization
from project.audit.log import Action
from project.audit.model_admin import AuditedAdmin

PAGE_SIZE = 10  # organizations with their charts


@admin.register(Assistant)
class AssistantAdmin(AuditedAdmin[Assistant]):
    """Uses the form of the organization's own page."""

    form = AssistantForm
    added = changed = removed = Action.CHANGE_ASSISTANT
    list_display = (
        "organization", "answers_by", "has_key", "daily_tokens", "daily_tokens_each",
        "retention_days",
    )  # fmt: skip
    list_select_related = ("organization",)
    search_fields = ("organization__name", "base_url", "model")
    fieldsets = (
        (None, {"fields": ("organization",)}),
        ("Model", {"fields": AssistantForm.connecting}),
        ("Answers", {"fields": ("system_prompt", "temperature", "max_tokens", "context_tokens")}),
        (
            "Limits",
            {
                "fields": (
                    "daily_tokens",
                    "daily_tokens_each",
                    "storage_mb",
                    "storage_mb_each",
                    "retention_days",
                )
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Hide the key: Django shows users without change permission every field as plain text."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        first, _, *rest = self.fieldsets
        return (first, ("Model", {"fields": ("base_url", "has_key", "model")}), *rest)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("organization",) if obj else ()

    def get_urls(self) -> list[URLPattern]:
        inside = self.admin_site.admin_view
        return [
            # Not wrapped in `admin_view`, which is synchronous; the view checks permissions.
            path("test", require_POST(self.test_view), name="chats_assistant_test"),
            path("usage", inside(self.usage_view), name="chats_usage"),
            *super().get_urls(),
        ]

    async def test_view(self, request: HttpRequest) -> JsonResponse:
        """As `chats.views.assistant.test`; `?of=` is the id of stored settings."""
        return JsonResponse(await check_model(await sync_to_async(self._bound_form)(request)))

    def _bound_form(self, request: HttpRequest) -> AssistantForm:
        stored = request.GET.get("of", "")
        is_permitted = self.has_change_permission if stored else self.has_add_permission
        if not (self.admin_site.has_permission(request) and is_permitted(request)):
            raise PermissionDenied
        number = int(stored) if stored.isascii() and stored.isdigit() else 0
        assistant = get_object_or_404(Assistant, pk=number) if stored else Assistant()
        return AssistantForm(request.POST, instance=assistant)

    def usage_view(self, request: HttpRequest) -> HttpResponse:
        """Show tokens and answers of each organization by day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        page = Paginator(Organization.objects.all(), PAGE_SIZE).get_page(request.GET.get("p"))
        found = usage_of(page.object_list)
        context = {
            **self.admin_site.each_context(request),
            "title": "Usage",
            "opts": self.opts,
            "page": page,
            "organizations": [(one, found[one.pk]) for one in page.object_list],
        }
        return TemplateResponse(request, "admin/chats/usage.html", context)

    @admin.display(description="answers come from")
    def answers_by(self, assistant: Assistant) -> str:
        if assistant.is_embedded:
            return "the built-in model"
        return f"{assistant.model} at {assistant.base_url}"

    @admin.display(description="key", boolean=True)
    def has_key(self, assistant: Assistant) -> bool:
        return bool(assistant.sealed_key)
