"""Tests the model of a settings form by requesting a few words, before the form is saved."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asgiref.sync import sync_to_async

from chats.forms import AssistantForm
from chats.providers.base import ProviderError
from chats.providers.embedded import Embedded
from chats.providers.openai import OpenAICompatible
from chats.services import provider_of

log = logging.getLogger(__name__)

TEST_S = 20.0


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
