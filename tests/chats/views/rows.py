"""Helpers that create chats and read pages."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from chats.models import Chat, Message, Role
from project.accounts.models import Organization, User


def chat_of(
    owner: User, organization: Organization, title: str, *turns: tuple[str, str], **facts: Any
) -> Chat:
    """Create a chat with these prompts and answers."""
    chat = Chat.objects.create(organization=organization, owner=owner, title=title, **facts)
    for prompt, answer in turns:
        add_turn(chat, prompt, answer)
    return chat


def add_turn(chat: Chat, prompt: str, answer: str, **facts: Any) -> Message:
    """Append a prompt and its answer; return the answer."""
    question = Message.objects.create(chat=chat, parent=chat.leaf, role=Role.USER, content=prompt)
    reply = Message.objects.create(
        chat=chat, parent=question, role=Role.ASSISTANT, content=answer, **{"model": "m"} | facts
    )
    chat.leaf = reply
    chat.save()
    return reply


def body(client: Client, address: str) -> str:
    """Return the HTML of a page; asserts status 200."""
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def titles(page: str) -> list[str]:
    """Return the titles in the list, in order."""
    return re.findall(r'<span class="chat-name" data-name>(.*?)</span>', page)
