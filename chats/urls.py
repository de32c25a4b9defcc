"""URLs of the chat pages. Those of the API are in `chats.api.urls`."""

from django.urls import path

from chats.views import assistant, chats

urlpatterns = [
    path("chats", chats.chats, name="chats"),
    path("chats/new", chats.new, name="chat-new"),
    path("chats/delete-all", chats.delete_all, name="chats-delete-all"),
    path("chats/<uuid:pk>", chats.chat, name="chat"),
    path("organizations/<slug:slug>/assistant", assistant.assistant, name="assistant"),
    path("organizations/<slug:slug>/assistant/test", assistant.test, name="assistant-test"),
]
