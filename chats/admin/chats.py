"""Chats: found and read, each look written down."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.forms import CheckboxInput
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from chats.admin.erasure import erase_when_sure
from chats.models import Chat
from chats.models.chats import ChatQuerySet
from project.audit.log import Action, note

SHOWN = 500  # messages of a chat on its page, the newest


class DeletedFilter(admin.SimpleListFilter):
    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "No"), ("yes", "Yes, about to go")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Chat]) -> QuerySet[Chat]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() == "no")


@admin.register(Chat)
class ChatAdmin(admin.ModelAdmin[Chat]):
    """Titles are words of a person's, too: the list shows them to who searches, and notes that."""

    list_display = ("number", "owner", "organization", "message_count", "touched_at", "how")
    list_filter = ("organization", DeletedFilter)
    list_select_related = ("owner", "organization")
    search_fields = ("title",)  # for the box; what is searched is `ChatQuerySet.matching`
    search_help_text = "Words of titles and messages. Searches are written down in the audit."
    date_hierarchy = "touched_at"
    show_full_result_count = False
    fields = (
        "organization", "owner", "title", "created_at", "touched_at", "archived_at", "deleted_at",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("erase",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chat]:
        return super().get_queryset(request).annotate(said=Count("messages"))

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[Chat], bool]:
        match = request.resolver_match
        if match is not None and match.url_name == "autocomplete":
            raise PermissionDenied("Titles are not completed: nobody would hear of it.")
        return queryset.matching(search_term), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Nor can titles be guessed by the list's address."""
        return not lookup.startswith("title") and super().lookup_allowed(lookup, value, request)

    def get_list_display(self, request: HttpRequest) -> Any:
        first, *rest = self.list_display
        return (first, "title", *rest) if _searched(request) else self.list_display

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        words = _searched(request)
        if words and self.has_view_permission(request):
            note(request, Action.SEARCH_CHATS, words)
        return super().changelist_view(request, extra_context)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Chat | None:
        """The one way to a chat: who takes it leaves a trace."""
        chat = super().get_object(request, object_id, from_field)
        if chat is not None and self.has_view_permission(request, chat):
            note(request, Action.READ_CHAT, chat.pk, chat.organization)
        return chat

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        chat: Chat = kwargs["obj"]
        newest = chat.messages.select_related("generation").order_by("-created_at", "-pk")
        context["words"] = list(newest[:SHOWN])[::-1]
        context["left_out"] = max(0, chat.messages.count() - SHOWN)
        context["in_front"] = {message.pk for message in chat.branch()}
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise PermissionDenied("Chats are erased by the list's action.")

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise PermissionDenied("Who read a chat is in the audit.")

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description="Erase", permissions=["delete"])
    def erase(self, request: HttpRequest, chats: ChatQuerySet) -> TemplateResponse | None:
        whole = Chat.objects.filter(pk__in=chats.values("pk"))
        return erase_when_sure(self, request, whole, "erase", "")

    @admin.display(description=SafeString('<input type="checkbox" id="action-toggle">'))
    def action_checkbox(self, chat: Chat) -> SafeString:
        """Django's says the object's name aloud."""
        label = f"Select chat {self.number(chat)}"
        box = CheckboxInput({"class": "action-select", "aria-label": label}, lambda _: False)
        return box.render(ACTION_CHECKBOX_NAME, str(chat.pk))

    @admin.display(description="chat")
    def number(self, chat: Chat) -> str:
        return str(chat.pk)[:8]

    @admin.display(description="messages", ordering="said")
    def message_count(self, chat: Any) -> int:
        return int(chat.said)

    @admin.display(description="state")
    def how(self, chat: Chat) -> str:
        if chat.deleted_at:
            return "Deleted, about to go"
        return "Archived" if chat.archived_at else ""


def _searched(request: HttpRequest) -> str:
    return request.GET.get(SEARCH_VAR, "").strip()
