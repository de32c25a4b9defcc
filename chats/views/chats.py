"""Chat pages: the list, a new chat, a chat. What changes anything is asked of the API."""

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
from chats.models.chats import TITLE_MOST
from chats.models.generations import erase
from chats.views.listing import listing
from chats.views.message import Seen, conversation
from project.accounts.access import actor_of
from project.accounts.views.shell import Shell


def _page(request: HttpRequest, template: str, **extra: Any) -> HttpResponse:
    """The list stands beside every page on wide screens."""
    shell = Shell(request)
    mine = shell.actor.organization_ids("chat")
    context = {
        "listing": listing(request, shell),
        "organizations": [one for one in shell.organizations if one.pk in mine],
        "in_front": shell.current if shell.current and shell.current.pk in mine else None,
        "blank_user": Seen(Role.USER),
        "blank_assistant": Seen(Role.ASSISTANT),
        "title_most": TITLE_MOST,
    }
    return render(request, template, context | extra)


@never_cache
@login_required
@require_GET
def chats(request: HttpRequest) -> HttpResponse:
    """One's chats: `?q=` looks for words in titles and texts, `?archived=1` for archived ones."""
    return _page(request, "chats/chats.html")


@never_cache
@login_required
@require_GET
def new(request: HttpRequest) -> HttpResponse:
    """A chat that is made with its first prompt."""
    return _page(request, "chats/chat.html")


@never_cache
@login_required
@require_GET
def chat(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A chat from its end; `?all=1` from its beginning."""
    mine = Chat.objects.visible_to(actor_of(request)).select_related("organization")
    found = get_object_or_404(mine, pk=pk)
    whole = request.GET.get("all") == "1"
    seen, hidden = conversation(found, whole=whole)
    return _page(request, "chats/chat.html", chat=found, conversation=seen, hidden=hidden)


@login_required
@require_POST
def delete_all(request: HttpRequest) -> HttpResponse:
    """Erase all of one's chats, archived and deleted ones too, in every organization."""
    actor = actor_of(request)
    count = erase(Chat.objects.filter(owner=actor.user)) if actor.user else 0
    were = "1 chat is" if count == 1 else f"{count:,} chats are"
    messages.success(request, f"{were} deleted, with every word in them.")
    return redirect("chats")
