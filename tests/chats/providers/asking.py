"""Asking a scripted endpoint over real HTTP, and what comes of it."""

from __future__ import annotations

import json
from typing import Any

from chats.providers.base import Conversation, Finish, ProviderError, Turn
from chats.providers.openai import OpenAICompatible
from tests.endpoint import Model

HELLO = Conversation((Turn("system", "Be brief."), Turn("user", "Hello?")))
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'


def client(model: Model, **options: Any) -> OpenAICompatible:
    """A provider of the scripted endpoint's model."""
    return OpenAICompatible(model.url, model.key, "m-1", listed=model.listed, **options)


async def heard(
    provider: OpenAICompatible, conversation: Conversation = HELLO
) -> tuple[str, Finish]:
    """The whole answer: its text and its end."""
    text, finish = "", None
    async for piece in provider.answer(conversation):
        assert finish is None, "nothing follows the finish"
        if isinstance(piece, Finish):
            finish = piece
        else:
            assert piece, "no piece is empty"
            text += piece
    await provider.close()
    assert finish is not None
    return text, finish


async def heard_from(provider: OpenAICompatible) -> str:
    """The text of the whole answer; the provider stays open."""
    pieces = [piece async for piece in provider.answer(HELLO)]
    return "".join(piece for piece in pieces if isinstance(piece, str))


async def failed(
    provider: OpenAICompatible, conversation: Conversation = HELLO
) -> tuple[str, ProviderError]:
    """What came before the failure, and the failure."""
    text = ""
    try:
        async for piece in provider.answer(conversation):
            assert isinstance(piece, str)
            text += piece
    except ProviderError as failure:
        return text, failure
    finally:
        await provider.close()
    raise AssertionError("the answer did not fail")


def event(**delta: Any) -> bytes:
    """A chunk that holds this, as an endpoint sends it."""
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"
