"""Erasing chats in the admin: with a confirmation and an audit entry, without showing them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest
from django.template.response import TemplateResponse

from chats.models.chats import ChatQuerySet
from chats.models.generations import erase
from project.accounts.models import Organization
from project.audit.log import Action, log_action


def confirm_and_erase(
    admin: ModelAdmin[Any], request: HttpRequest, chats: ChatQuerySet, action: str, whose: str
) -> TemplateResponse | None:
    """Return the confirmation page, or erase once confirmed. `whose` completes the audit entry."""
    if request.POST.get("sure"):
        with transaction.atomic():
            _audit(request, chats, whose)
            count = erase(chats)
        admin.message_user(request, f"Erased: {_counted(count)}.")
        return None
    context = {
        **admin.admin_site.each_context(request),
        "title": "Erase chats",
        "opts": admin.opts,
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
