"""Erasing chats in the admin: with a confirmation and an audit entry, without showing them.

Users get an action that erases their chats.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from chats.models import Chat
from chats.models.chats import ChatQuerySet
from chats.models.generations import erase
from project.accounts.admin import PersonAdmin
from project.accounts.models import Organization, User
from project.audit.log import Action, log_action

admin.site.unregister(User)


def confirm_and_erase(
    page: admin.ModelAdmin[Any], request: HttpRequest, chats: ChatQuerySet, action: str, whose: str
) -> TemplateResponse | None:
    """Return the confirmation page, or erase once confirmed. `whose` completes the audit entry."""
    if request.POST.get("sure"):
        with transaction.atomic():
            _audit(request, chats, whose)
            count = erase(chats)
        page.message_user(request, f"Erased: {_counted(count)}.")
        return None
    context = {
        **page.admin_site.each_context(request),
        "title": "Erase chats",
        "opts": page.opts,
        "counted": _counted(chats.count()),
        "whose": whose,
        "action": action,
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
    }
    return TemplateResponse(request, "admin/chats/erase.html", context)


def _audit(request: HttpRequest, chats: ChatQuerySet, whose: str) -> None:
    """Write one audit entry for each organization."""
    counts = dict(
        chats.order_by()
        .values_list("organization")
        .annotate(Count("pk"))
        .values_list("organization", "pk__count")
    )
    organizations: Iterable[Organization] = Organization.objects.filter(pk__in=counts)
    for organization in organizations:
        subject = f"{_counted(counts[organization.pk])} {whose}".strip()
        log_action(request, Action.ERASE_CHATS, subject, organization)


def _counted(count: int) -> str:
    return f"{count:,} chat" + ("s" if count != 1 else "")


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
