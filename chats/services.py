"""The runner and the providers of this process, created on first use on the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from chats.conversation import (
    Draft,
    cut_to_fit,
    draft_of_answer,
    draft_of_turns,
    require_room,
    surely_fits,
)
from chats.forms import AssistantForm
from chats.generations.runner import Runner
from chats.generations.threads import in_database_thread
from chats.models import Assistant, Chat, Message
from chats.prompts import PromptResult
from chats.providers.base import (
    Conversation,
    Provider,
    ProviderError,
    Refused,
    Rejected,
    Turn,
)
from chats.providers.embedded import Embedded
from chats.providers.openai import OpenAICompatible
from project.encryption import UnsealFailed

log = logging.getLogger(__name__)

TEST_S = 20.0
KEY_LOST = (
    "The key of the organization’s model cannot be read any more. "
    "An administrator can enter it again in the assistant’s settings."
)

_runner: Runner | None = None
_embedded: Embedded | None = None


def runner() -> Runner:
    """Return the runner of this process."""
    global _runner
    if _runner is None:
        created = Runner()
        created.open()
        _runner = created
    return _runner


def embedded() -> Embedded:
    """Return the built-in model; its process starts with the first request."""
    global _embedded
    if _embedded is None:
        _embedded = Embedded()
    return _embedded


def provider_of(assistant: Assistant) -> Provider:
    """Return the provider of an organization.

    Raises `Refused` if its key cannot be decrypted, `Rejected` if its address is not permitted.
    """
    if assistant.is_embedded:
        return embedded()
    try:
        key = assistant.key
    except UnsealFailed:
        raise Refused(KEY_LOST) from None
    try:
        endpoint: Provider = _endpoint(assistant.base_url, key, assistant.model)
    except ValueError as error:  # for example, SIDELINE_MODEL_SERVERS no longer lists it
        raise Rejected(str(error)) from None
    return endpoint


@lru_cache(64)
def _endpoint(base_url: str, key: str, model: str) -> OpenAICompatible:
    """Return a cached provider: it remembers which parameters its server refused."""
    return OpenAICompatible(base_url, key, model, listed=settings.MODEL_SERVERS)


async def prepare(prompt: PromptResult) -> tuple[Provider, Conversation]:
    """Return the provider for a prompt, and the conversation to send. Raises `ProviderError`."""
    assistant, draft = await in_database_thread(_load, prompt)
    provider = provider_of(assistant)
    return provider, await cut_to_fit(draft, provider)


def _load(prompt: PromptResult) -> tuple[Assistant, Draft]:
    message = Message.objects.select_related("chat__organization").get(pk=prompt.message_id)
    assistant = Assistant.of(message.chat.organization)
    return assistant, draft_of_answer(assistant, message, prompt.prefill)


async def check_prompt(chat: Chat, texts: Callable[[], tuple[str, str]]) -> None:
    """Raise `PromptTooLong` if a prompt cannot fit into the context of the chat's model.

    `texts` returns the prompt and the prefill; it is called in a database thread. A model that
    cannot be asked now will say so when it answers.
    """

    def load() -> tuple[Assistant, Draft]:
        assistant = Assistant.of(chat.organization)
        prompt, prefill = texts()
        return assistant, draft_of_turns(assistant, (Turn("user", prompt),), prefill)

    assistant, draft = await in_database_thread(load)
    if not surely_fits(draft):
        with suppress(ProviderError):
            await require_room(draft, provider_of(assistant))


async def check_model(form: AssistantForm) -> dict[str, Any]:
    """Return `{ok, sentence}`: whether the form's model answers within `TEST_S`.

    Runs on the event loop that owns the built-in model. Ignores errors in other fields.
    """
    await sync_to_async(form.is_valid)()
    errors = [str(each) for name in form.connecting for each in form.errors.get(name, ())]
    if errors:
        return {"ok": False, "sentence": " ".join(errors)}
    try:
        provider = provider_of(form.instance)
        assert isinstance(provider, OpenAICompatible | Embedded)
        async with asyncio.timeout(TEST_S):
            return {"ok": True, "sentence": await provider.check()}
    except ProviderError as error:
        return {"ok": False, "sentence": error.sentence}
    except TimeoutError:
        return {"ok": False, "sentence": f"The model did not answer within {TEST_S:.0f} seconds."}
    except Exception:  # the page shows a sentence, whatever goes wrong
        log.exception("a model could not be tested")
        return {"ok": False, "sentence": "The test failed in Sideline; it has been logged."}


async def start_runner() -> None:
    """Start the runner, so that it reaps generations of processes that are gone."""
    runner()


async def close() -> None:
    """Interrupt running generations, store their text, and end the built-in model."""
    if _runner is not None:
        await _runner.close()
    if _embedded is not None:
        await _embedded.close()
