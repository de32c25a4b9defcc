"""What the views of chats share: whose request it is, and which chats it reaches."""

from __future__ import annotations

from django.shortcuts import get_object_or_404

from chats.models import Chat, Message
from project.accounts.api import views


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
