"""Requests to a scripted endpoint over real HTTP."""

from __future__ import annotations

import json
from typing import Any

from chats.providers.base import Conversation, Finish, ProviderError, Turn
from chats.providers.openai import OpenAICompatible
from tests.endpoint import Model

HELLO = Conversation((Turn("system", "Be brief."), Turn("user", "Hello?")))
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'


def client(model: Model, **options: Any) -> OpenAICompatible:
    """Return a provider for the scripted endpoint."""
    return OpenAICompatible(model.url, model.key, "m-1", listed=model.listed, **options)


async def answer_of(
    provider: OpenAICompatible, conversation: Conversation = HELLO
) -> tuple[str, Finish]:
    """Return the text and the `Finish` of an answer; close the provider."""
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


async def answer_text(provider: OpenAICompatible) -> str:
    """Return the text of an answer; the provider stays open."""
    pieces = [piece async for piece in provider.answer(HELLO)]
    return "".join(piece for piece in pieces if isinstance(piece, str))


async def failure_of(
    provider: OpenAICompatible, conversation: Conversation = HELLO
) -> tuple[str, ProviderError]:
    """Return the text before an error, and the error; close the provider."""
    text = ""
    try:
        async for piece in provider.answer(conversation):
            assert isinstance(piece, str)
            text += piece
    except ProviderError as error:
        return text, error
    finally:
        await provider.close()
    raise AssertionError("the answer did not fail")


def event(**delta: Any) -> bytes:
    """Return one chunk with this delta, as an endpoint sends it."""
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"
