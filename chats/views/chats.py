"""Chat pages: the list, a new chat, one chat. Their scripts make changes through the API."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from chats.models import Chat, Role
from chats.models.chats import MAX_TITLE
from chats.models.generations import erase
from chats.views.listing import listing
from chats.views.message import MessageView, newest_messages
from project.accounts.access import actor_for_request
from project.accounts.views.shell import Shell


def _page(request: HttpRequest, template: str, **extra: Any) -> HttpResponse:
    """Render a page together with the list of chats, which wide screens show beside it."""
    shell = Shell(request)
    mine = shell.actor.organization_ids("chat")
    context = {
        "listing": listing(request, shell),
        "organizations": [each for each in shell.organizations if each.pk in mine],
        "in_front": shell.current if shell.current and shell.current.pk in mine else None,
        "blank_user": MessageView(Role.USER),
        "blank_assistant": MessageView(Role.ASSISTANT),
        "title_most": MAX_TITLE,
    }
    return render(request, template, context | extra)


@never_cache
@login_required
@require_GET
def chats(request: HttpRequest) -> HttpResponse:
    """List the user's chats. `?q=` searches titles and messages; `?archived=1`: archived chats."""
    return _page(request, "chats/chats.html")


@never_cache
@login_required
@require_GET
def new(request: HttpRequest) -> HttpResponse:
    """Show an empty chat; the first prompt creates it."""
    return _page(request, "chats/chat.html")


@never_cache
@login_required
@require_GET
def chat(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Show the newest messages of a chat; `?all=1` shows all."""
    chats = Chat.objects.visible_to(actor_for_request(request)).select_related("organization")
    found = get_object_or_404(chats, pk=pk)
    newest, hidden = newest_messages(found, show_all=request.GET.get("all") == "1")
    return _page(request, "chats/chat.html", chat=found, conversation=newest, hidden=hidden)


@login_required
@require_POST
def delete_all(request: HttpRequest) -> HttpResponse:
    """Erase all chats of the user, archived and deleted ones too, in every organization."""
    actor = actor_for_request(request)
    count = erase(Chat.objects.filter(owner=actor.user)) if actor.user else 0
    subject = "1 chat is" if count == 1 else f"{count:,} chats are"
    messages.success(request, f"{subject} deleted, with every word in them.")
    return redirect("chats")
