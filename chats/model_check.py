"""Asks the model that a settings form names for a few words, before the form is saved."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asgiref.sync import sync_to_async

from chats.forms import AssistantForm
from chats.process import provider_of
from chats.providers.base import ProviderError
from chats.providers.embedded import Embedded
from chats.providers.openai import OpenAICompatible

log = logging.getLogger(__name__)

TEST_S = 20.0


async def check_model(form: AssistantForm) -> dict[str, Any]:
    """Whether the model of a form answers within `TEST_S`, as `{ok, sentence}`.

    On the serving loop, where the built-in model lives. What is wrong elsewhere in the form is no
    matter here.
    """
    await sync_to_async(form.is_valid)()
    wrong = [str(one) for name in form.connecting for one in form.errors.get(name, ())]
    if wrong:
        return {"ok": False, "sentence": " ".join(wrong)}
    try:
        provider = provider_of(form.instance)
        assert isinstance(provider, OpenAICompatible | Embedded)
        async with asyncio.timeout(TEST_S):
            return {"ok": True, "sentence": await provider.check()}
    except ProviderError as error:
        return {"ok": False, "sentence": error.sentence}
    except TimeoutError:
        return {"ok": False, "sentence": f"The model did not answer within {TEST_S:.0f} seconds."}
    except Exception:  # whatever an endpoint makes of it, the page says something
        log.exception("a model could not be tested")
        return {"ok": False, "sentence": "The test failed in Sideline; it has been logged."}
