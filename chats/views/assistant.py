"""The assistant's settings, for the organization's administrators."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from chats.forms import AssistantForm
from chats.models import Assistant
from chats.process import provider_of
from chats.providers.base import ProviderError
from chats.providers.embedded import Embedded
from chats.providers.openai_compatible import OpenAICompatible
from chats.usage import usage_of
from project.accounts.views.organizations import administered
from project.audit.log import Action, as_stored, differences, note

TEST_S = 20.0
FOR_ADMINS = "The assistant is set up by the organization's administrators."

log = logging.getLogger(__name__)


@never_cache
@login_required
def assistant(request: HttpRequest, slug: str) -> HttpResponse:
    """Which model answers, how it is told to behave, what it may use, and what it has used."""
    organization = administered(request, slug, FOR_ADMINS)
    form = AssistantForm(request.POST or None, instance=Assistant.of(organization))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            before = as_stored(form.instance)
            saved = form.save()
            said = differences(before, saved) if before else "set up"
            note(request, Action.CHANGE_ASSISTANT, "assistant", organization, detail=said)
        messages.success(request, "Saved.")
        return redirect("assistant", slug)
    context = {
        "organization": organization,
        "form": form,
        "usage": usage_of([organization])[organization.pk],
    }
    return render(request, "chats/assistant.html", context)


@never_cache
@login_required
@require_POST
async def test(request: HttpRequest, slug: str) -> JsonResponse:
    """Ask the model of the form for a few words, before anything is saved: `{ok, sentence}`."""

    def filled() -> AssistantForm:
        organization = administered(request, slug, FOR_ADMINS)
        return AssistantForm(request.POST, instance=Assistant.of(organization))

    return JsonResponse(await tried(await sync_to_async(filled)()))


async def tried(form: AssistantForm) -> dict[str, Any]:
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
