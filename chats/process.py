"""This process's desk and its models: made on first use, on the serving loop."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from chats.asking import Asked
from chats.assistant import conversation_for
from chats.desk import Desk
from chats.models import Assistant, Message
from chats.providers.base import Conversation, Provider, Refused, Rejected
from chats.providers.embedded import Embedded
from chats.providers.openai_compatible import OpenAICompatible
from chats.rows import in_rows
from project.encryption import SealBroken

KEY_LOST = (
    "The key of the organization’s model cannot be read any more. "
    "An administrator can enter it again in the assistant’s settings."
)

_desk: Desk | None = None
_embedded: Embedded | None = None


def desk() -> Desk:
    """The one desk."""
    global _desk
    if _desk is None:
        opening = Desk()
        opening.open()
        _desk = opening
    return _desk


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


async def open_desk() -> None:
    """From now on look after answers that others left."""
    desk()


async def close() -> None:
    """Answers that are being made are interrupted with their text stored; the model ends."""
    if _desk is not None:
        await _desk.close()
    if _embedded is not None:
        await _embedded.close()
