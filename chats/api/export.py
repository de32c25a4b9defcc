"""Exports a chat as a file: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils.text import slugify
from rest_framework.utils.encoders import JSONEncoder

from chats.api.serializers import ChatDetailSerializer
from chats.models import Chat, Message, Role, Status


def as_markdown(chat: Chat) -> HttpResponse:
    """Return a Markdown file: a heading with author and local time, then the text, per message."""
    zone = ZoneInfo(chat.organization.time_zone)
    parts = [f"# {chat}"]
    for message in chat.branch():
        author = "You" if message.role == Role.USER else f"Assistant ({message.model})"
        when = message.created_at.astimezone(zone)
        parts.append(f"## {author}, {when:%Y-%m-%d %H:%M %Z}")
        parts.append(message.text() or "(nothing)")
        if note := _note(message):
            parts.append(f"*{note}*")
    return _file("\n\n".join(parts) + "\n", chat, "md", "text/markdown; charset=utf-8")


def _note(message: Message) -> str:
    if message.status == Status.STOPPED:
        return "Stopped."
    if message.status == Status.RUNNING:
        return "Still being answered."
    return message.error_message


def as_json(chat: Chat) -> HttpResponse:
    """Return a JSON file, in the format of the API."""
    data = ChatDetailSerializer(chat).data
    text = json.dumps(data, cls=JSONEncoder, ensure_ascii=False, indent=2)
    return _file(text, chat, "json", "application/json")


def _file(text: str, chat: Chat, extension: str, content_type: str) -> HttpResponse:
    response = HttpResponse(text, content_type=content_type)
    name = slugify(chat.title) or "chat"
    response["Content-Disposition"] = f'attachment; filename="{name}.{extension}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
