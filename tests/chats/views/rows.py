"""Chats as rows."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

from chats.models import Chat, Message, Role
from project.accounts.models import Organization, User


def chat_of(
    owner: User, organization: Organization, title: str, *turns: tuple[str, str], **facts: Any
) -> Chat:
    """A chat of prompts and answers."""
    chat = Chat.objects.create(organization=organization, owner=owner, title=title, **facts)
    for prompt, answer in turns:
        say(chat, prompt, answer)
    return chat


def say(chat: Chat, prompt: str, answer: str, **facts: Any) -> Message:
    """One turn at the end; the answer."""
    asked = Message.objects.create(chat=chat, parent=chat.leaf, role=Role.USER, content=prompt)
    made = Message.objects.create(
        chat=chat, parent=asked, role=Role.ASSISTANT, content=answer, **{"model": "m"} | facts
    )
    chat.leaf = made
    chat.save()
    return made


def body(client: Client, address: str) -> str:
    """A page that is there."""
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def titles(page: str) -> list[str]:
    """The names in the list, as they follow each other."""
    return re.findall(r'<span class="chat-name" data-name>(.*?)</span>', page)
