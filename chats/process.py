"""The runner and the providers of this process: made on first use, on the serving loop."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from chats.conversation import conversation_for
from chats.generations.runner import Runner
from chats.generations.threads import in_rows
from chats.models import Assistant, Message
from chats.prompts import Asked
from chats.providers.base import Conversation, Provider, Refused, Rejected
from chats.providers.embedded import Embedded
from chats.providers.openai import OpenAICompatible
from project.encryption import SealBroken

KEY_LOST = (
    "The key of the organization’s model cannot be read any more. "
    "An administrator can enter it again in the assistant’s settings."
)

_runner: Runner | None = None
_embedded: Embedded | None = None


def runner() -> Runner:
    """The runner of this process."""
    global _runner
    if _runner is None:
        opening = Runner()
        opening.open()
        _runner = opening
    return _runner


def embedded() -> Embedded:
    """The built-in model; its process starts when it is first asked."""
    global _embedded
    if _embedded is None:
        _embedded = Embedded()
    return _embedded


def provider_of(assistant: Assistant) -> Provider:
    """Who answers for an organization. Raises `ProviderError` where its key is lost."""
    if assistant.is_embedded:
        return embedded()
    try:
        key = assistant.key
    except SealBroken:
        raise Refused(KEY_LOST) from None
    try:
        endpoint: Provider = _endpoint(assistant.base_url, key, assistant.model)
    except ValueError as error:  # as when SIDELINE_MODEL_SERVERS no longer lists it
        raise Rejected(str(error)) from None
    return endpoint


@lru_cache(64)
def _endpoint(base_url: str, key: str, model: str) -> OpenAICompatible:
    """Kept, since what its server cannot do is learned by asking; no connection is kept."""
    return OpenAICompatible(base_url, key, model, listed=settings.MODEL_SERVERS)


async def prepare(asked: Asked) -> tuple[Provider, Conversation]:
    """What to ask of whom. Raises `ProviderError`."""
    assistant, conversation = await in_rows(_read, asked)
    return provider_of(assistant), conversation


def _read(asked: Asked) -> tuple[Assistant, Conversation]:
    message = Message.objects.select_related("chat__organization").get(pk=asked.message_id)
    assistant = Assistant.of(message.chat.organization)
    return assistant, conversation_for(assistant, message, asked.beginning)


async def start_runner() -> None:
    """From now on look after answers that others left."""
    runner()


async def close() -> None:
    """Answers that are being made are interrupted with their text stored; the model ends."""
    if _runner is not None:
        await _runner.close()
    if _embedded is not None:
        await _embedded.close()
