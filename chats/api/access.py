"""Access to a chat for API views, and refusals as problem responses."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from chats.conversation import PromptTooLong
from chats.generations.runner import Overloaded
from chats.models import Chat, Message, QuotaExceeded
from chats.prompts import AlreadyAnswering, BadPrompt, NoSuchMessage
from project.accounts.access import ConnectionGrant, grant_in_organization
from project.accounts.api import views
from project.accounts.authentication import Denied, authenticate
from project.accounts.models import User
from project.problems import field_problem, problem

RETRY_S = 5  # `Retry-After` of an overloaded server


@dataclass(frozen=True, slots=True)
class ChatAccess:
    """A chat with its owner. A stream stays open as long as `grant` is valid."""

    chat: Chat
    user: User
    grant: ConnectionGrant


def _open_chat(request: HttpRequest, chat_id: uuid.UUID) -> ChatAccess:
    actor = authenticate(request)
    if actor.roles and not actor.organization_ids("chat"):
        raise Denied(problem(403, "This needs the scope “chat”."))
    chats = Chat.objects.known_to(actor).select_related("organization")
    chat = chats.filter(pk=chat_id).first()
    if chat is None or actor.user is None:
        raise Denied(problem(404, "There is no such chat."))
    if not actor.has_scope("chat", chat.organization_id):
        raise Denied(problem(403, "This needs the scope “chat”."))
    return ChatAccess(chat, actor.user, grant_in_organization(actor, "chat", chat.organization_id))


async def open_chat(request: HttpRequest, chat_id: uuid.UUID) -> ChatAccess:
    """Authenticate the request; return its chat and owner. Raises `Denied`."""
    access: ChatAccess = await database_sync_to_async(_open_chat)(request, chat_id)
    return access


def answer_in(chat: Chat, message_id: uuid.UUID) -> Message:
    """Return an assistant message with its generation. Raises `Denied`."""
    found = chat.messages.filter(pk=message_id, generation__isnull=False)
    message = found.select_related("generation").first()
    if message is None:
        raise Denied(problem(404, "There is no such answer."))
    return message


def json_body(request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object in the body. Raises `Denied`."""
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Denied(problem(400, "The body is not JSON.")) from None
    if not isinstance(found, dict):
        raise Denied(problem(400, "The body must be a JSON object."))
    return found


View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def with_problems(view: View) -> View:
    """Turn refusals before the stream opens into problem responses."""

    @wraps(view)
    async def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return await view(request, *args, **kwargs)
        except BadPrompt as bad:
            return field_problem(bad.field, str(bad), bad.status)
        except PromptTooLong as long:
            errors = {"prompt": [long.sentence]}
            return problem(
                413, long.sentence, errors=errors, prompt_tokens=long.tokens, room=long.room
            )
        except NoSuchMessage as missing:
            return problem(404, str(missing))
        except AlreadyAnswering as running:
            return problem(
                409,
                "This chat is being answered; wait for the answer or stop it.",
                message_id=str(running.message_id),
            )
        except QuotaExceeded as used_up:
            response = problem(429, used_up.sentence)
            response["Retry-After"] = str(used_up.retry_after)
            return response
        except Overloaded:
            response = problem(503, "Too many answers are being made just now; try again.")
            response["Retry-After"] = str(RETRY_S)
            return response

    return wrapper


class WithActor(views.WithActor):
    """Base of views that need the scope `chat`."""

    least_scope = "chat"

    def chat(self) -> Chat:
        """Return the chat that the URL names. Everyone but its owner gets 404."""
        chats = Chat.objects.known_to(self.actor).select_related("organization")
        chat = get_object_or_404(chats, pk=self.kwargs["pk"])
        self.require("chat", chat.organization_id)
        return chat
