"""URLs of the chat API. Each works with and without a trailing slash, without a redirect."""

from django.urls import re_path

from chats.api import chats, streams

_HEX = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
CHAT = rf"(?P<pk>{_HEX})"
_CHAT = rf"^chats/{CHAT}"
_MESSAGE = rf"{_CHAT}/messages/(?P<message>{_HEX})"

urlpatterns = [
    re_path(r"^chats/?$", chats.ChatList.as_view(), name="api-chats"),
    re_path(rf"{_CHAT}/?$", chats.ChatDetail.as_view(), name="api-chat"),
    re_path(rf"{_CHAT}/restore/?$", chats.ChatRestore.as_view(), name="api-chat-restore"),
    re_path(rf"{_CHAT}/export/?$", chats.ChatExport.as_view(), name="api-chat-export"),
    re_path(rf"{_CHAT}/messages/?$", streams.messages, name="api-messages"),
    re_path(rf"{_MESSAGE}/events/?$", streams.events, name="api-message-events"),
    re_path(rf"{_MESSAGE}/stop/?$", streams.stop, name="api-message-stop"),
    re_path(rf"{_MESSAGE}/edit/?$", streams.edit, name="api-message-edit"),
    re_path(rf"{_MESSAGE}/again/?$", streams.regenerate, name="api-message-again"),
    re_path(rf"{_MESSAGE}/continue/?$", streams.continue_answer, name="api-message-continue"),
    re_path(rf"{_MESSAGE}/select/?$", chats.MessageSelect.as_view(), name="api-message-select"),
    re_path(rf"{_MESSAGE}/rating/?$", chats.MessageRating.as_view(), name="api-message-rating"),
]
