"""Users in the admin, with an action that erases their chats."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from chats.admin.erasure import confirm_and_erase
from chats.models import Chat
from project.accounts.admin import PersonAdmin
from project.accounts.models import User

admin.site.unregister(User)


@admin.register(User)
class UserChatsAdmin(PersonAdmin):
    """Adds an action that erases all chats of a user and keeps the account."""

    actions = (*PersonAdmin.actions, "erase_chats")

    @admin.action(description="Erase this person’s chats", permissions=["erase_chats"])
    def erase_chats(self, request: HttpRequest, people: QuerySet[User]) -> TemplateResponse | None:
        """Erase all chats of these users, deleted ones included."""
        chats = Chat.objects.filter(owner__in=people.values("pk"))
        names = ", ".join(people.values_list("username", flat=True)[:5])
        more = people.count() - 5
        whose = f"of {names}" + (f" and {more} more" if more > 0 else "")
        return confirm_and_erase(self, request, chats, "erase_chats", whose)

    def has_erase_chats_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chats.delete_chat")
