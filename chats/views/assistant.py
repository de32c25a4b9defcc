"""The page of the assistant's settings, for the organization's administrators."""

from __future__ import annotations

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
from chats.services import check_model
from chats.usage_report import usage_of
from project.accounts.views.organizations import get_administered
from project.audit.log import Action, differences, fetch_stored, log_action

FOR_ADMINS = "The assistant is set up by the organization's administrators."


@never_cache
@login_required
def assistant(request: HttpRequest, slug: str) -> HttpResponse:
    """Show and save the model, system prompt and limits; show the usage."""
    organization = get_administered(request, slug, FOR_ADMINS)
    form = AssistantForm(request.POST or None, instance=Assistant.of(organization))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            before = fetch_stored(form.instance)
            saved = form.save()
            detail = differences(before, saved) if before else "set up"
            log_action(request, Action.CHANGE_ASSISTANT, "assistant", organization, detail=detail)
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
    """Test the model in the form, without saving: return `{ok, sentence}`."""

    def bound_form() -> AssistantForm:
        organization = get_administered(request, slug, FOR_ADMINS)
        return AssistantForm(request.POST, instance=Assistant.of(organization))

    return JsonResponse(await check_model(await sync_to_async(bound_form)()))
