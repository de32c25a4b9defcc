"""Chats in the admin: search and read, each access audited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.forms import CheckboxInput
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from chats.admin.erasure import confirm_and_erase
from chats.models import Chat
from chats.models.chats import ChatQuerySet
from project.audit.log import Action, log_action
from project.search import SearchTimeout

MAX_MESSAGES = 500  # newest messages of a chat on its page


@admin.register(Chat)
class ChatAdmin(admin.ModelAdmin[Chat]):
    """Titles are private, too: the list shows them only in a search, which is audited."""

    list_display = (
        "number",
        "owner",
        "organization",
        "message_count",
        "touched_at",
        "current_state",
    )
    list_filter = ("organization", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner", "organization")
    search_fields = ("title",)  # shows the search box; the search is `ChatQuerySet.matching`
    search_help_text = "Words of titles and messages. Searches are written down in the audit."
    date_hierarchy = "touched_at"
    show_full_result_count = False
    fields = (
        "organization", "owner", "title", "created_at", "touched_at", "archived_at", "deleted_at",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("erase",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chat]:
        return super().get_queryset(request).annotate(message_total=Count("messages"))

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[Chat], bool]:
        match = request.resolver_match
        if match is not None and match.url_name == "autocomplete":
            raise PermissionDenied("Titles are not autocompleted: that would not be audited.")
        try:
            return queryset.matching(search_term), False
        except SearchTimeout as error:
            self.message_user(request, error.sentence, messages.ERROR)
            return queryset.none(), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Forbid filters on titles in the URL, which would reveal them without a trace."""
        return not lookup.startswith("title") and super().lookup_allowed(lookup, value, request)

    def get_list_display(self, request: HttpRequest) -> Any:
        first, *rest = self.list_display
        return (first, "title", *rest) if _search_words(request) else self.list_display

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        words = _search_words(request)
        if words and self.has_view_permission(request):
            log_action(request, Action.SEARCH_CHATS, words)
        return super().changelist_view(request, extra_context)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Chat | None:
        """Return a chat and audit the access. Every page of a chat comes through here."""
        chat = super().get_object(request, object_id, from_field)
        if chat is not None and self.has_view_permission(request, chat):
            log_action(request, Action.READ_CHAT, chat.pk, chat.organization)
        return chat

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        chat: Chat = kwargs["obj"]
        newest = chat.messages.select_related("generation").order_by("-created_at", "-pk")
        context["words"] = list(newest[:MAX_MESSAGES])[::-1]
        context["left_out"] = max(0, chat.messages.count() - MAX_MESSAGES)
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
        return confirm_and_erase(self, request, whole, "erase", "")

    @admin.display(description=SafeString('<input type="checkbox" id="action-toggle">'))
    def action_checkbox(self, chat: Chat) -> SafeString:
        """Like Django's, but without the title in `aria-label`."""
        label = f"Select chat {self.number(chat)}"
        box = CheckboxInput({"class": "action-select", "aria-label": label}, lambda _: False)
        return box.render(ACTION_CHECKBOX_NAME, str(chat.pk))

    @admin.display(description="chat")
    def number(self, chat: Chat) -> str:
        return str(chat.pk)[:8]

    @admin.display(description="messages", ordering="message_total")
    def message_count(self, chat: Any) -> int:
        return int(chat.message_total)

    @admin.display(description="state")
    def current_state(self, chat: Chat) -> str:
        if chat.deleted_at:
            return "Deleted, about to go"
        return "Archived" if chat.archived_at else ""


def _search_words(request: HttpRequest) -> str:
    return request.GET.get(SEARCH_VAR, "").strip()
