"""Asking the model that comes with the house, and finding its process."""

from __future__ import annotations

import psutil

from chats.providers.base import Conversation, Finish, Turn
from chats.providers.embedded import Embedded

STORY = "Tell me a long story about a rugby team and its coach."


def ask(text: str, *, unfinished: str = "", most: int = 20) -> Conversation:
    turns = (Turn("user", text),)
    return Conversation(turns, unfinished=unfinished, temperature=0.0, max_tokens=most)


async def heard(model: Embedded, conversation: Conversation) -> list[str | Finish]:
    return [piece async for piece in model.answer(conversation)]


def text_of(pieces: list[str | Finish]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


def process(model: Embedded) -> psutil.Process:
    assert model.pid is not None
    return psutil.Process(model.pid)


def servers() -> list[psutil.Process]:
    """The model servers that are our children."""
    return [p for p in psutil.Process().children() if "chats.providers.llama" in p.cmdline()]
