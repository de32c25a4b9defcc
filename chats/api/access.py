"""Who may enter a chat, for API views; and refusals as problems."""

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

from chats.generations.runner import Overloaded
from chats.models import Chat, Message, QuotaExceeded
from chats.prompts import AlreadyAnswering, BadPrompt, NoSuchMessage
from project.accounts.access import ConnectionGrant, grant_in
from project.accounts.api import views
from project.accounts.authentication import Denied, authenticate
from project.accounts.models import User
from project.problems import problem

BUSY_S = 5


@dataclass(frozen=True, slots=True)
class Entered:
    """Who has entered a chat that is theirs, and by what; `grant` is what keeps a stream open."""

    chat: Chat
    user: User
    grant: ConnectionGrant


def _enter(request: HttpRequest, chat_id: uuid.UUID) -> Entered:
    actor = authenticate(request)
    if actor.roles and not actor.organization_ids("chat"):
        raise Denied(problem(403, "This needs the scope “chat”."))
    chats = Chat.objects.known_to(actor).select_related("organization")
    chat = chats.filter(pk=chat_id).first()
    if chat is None or actor.user is None:
        raise Denied(problem(404, "There is no such chat."))
    if not actor.may("chat", chat.organization_id):
        raise Denied(problem(403, "This needs the scope “chat”."))
    return Entered(chat, actor.user, grant_in(actor, "chat", chat.organization_id))


async def enter(request: HttpRequest, chat_id: uuid.UUID) -> Entered:
    """The chat and its owner. Raises `Denied`."""
    entered: Entered = await database_sync_to_async(_enter)(request, chat_id)
    return entered


def answer_in(chat: Chat, message_id: uuid.UUID) -> Message:
    """An assistant message with its generation. Raises `Denied`."""
    found = chat.messages.filter(pk=message_id, generation__isnull=False)
    message = found.select_related("generation").first()
    if message is None:
        raise Denied(problem(404, "There is no such answer."))
    return message


def body_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that was sent. Raises `Denied`."""
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Denied(problem(400, "The body is not JSON.")) from None
    if not isinstance(found, dict):
        raise Denied(problem(400, "The body must be a JSON object."))
    return found


View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def with_problems(view: View) -> View:
    """What is refused before the stream opens, as an ordinary status with a problem."""

    @wraps(view)
    async def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return await view(request, *args, **kwargs)
        except Denied as denied:
            return denied.response
        except BadPrompt as bad:
            return problem(bad.status, str(bad), errors={bad.field: [str(bad)]})
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
            response["Retry-After"] = str(BUSY_S)
            return response

    return answered


class WithActor(views.WithActor):
    """A view of somebody who may chat."""

    least = "chat"

    def chat(self) -> Chat:
        """The chat of the address: 404 for everybody but its owner."""
        known = Chat.objects.known_to(self.actor).select_related("organization")
        chat = get_object_or_404(known, pk=self.kwargs["pk"])
        self.require("chat", chat.organization_id)
        return chat

    def message(self, chat: Chat) -> Message:
        found: Message = get_object_or_404(chat.messages, pk=self.kwargs["message"])
        return found
