"""What the views of chats share: whose request it is, and which chats it reaches."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.views import APIView

from cameras.access import actor_of
from cameras.actors import Actor
from chats.models import Chat, Message


class WithActor(APIView):
    """A view of somebody who may chat."""

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.actor.roles and not self.actor.organization_ids("chat"):
            raise PermissionDenied("This needs the scope “chat”.")

    def chat(self) -> Chat:
        """The chat of the address: 404 for everybody but its owner."""
        known = Chat.objects.known_to(self.actor).select_related("organization")
        chat = get_object_or_404(known, pk=self.kwargs["pk"])
        if not self.actor.may("chat", chat.organization_id):
            raise PermissionDenied("This needs the scope “chat”.")
        return chat

    def message(self, chat: Chat) -> Message:
        found: Message = get_object_or_404(chat.messages, pk=self.kwargs["message"])
        return found
