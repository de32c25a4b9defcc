"""Chats and their messages over REST. Prompts and streams are in `chats/api/streams.py`."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from chats.api.access import WithActor
from chats.api.export import as_json, as_markdown
from chats.api.serializers import (
    ChatDetailSerializer,
    ChatSerializer,
    MessageSerializer,
    RatingSerializer,
)
from chats.models import Chat, Message, Role
from project.accounts.models import Organization, User
from project.api import CreatedAtCursorPagination, flag_in
from project.audit.log import Action, log_action
from project.search import SearchTimeout


class NewestFirst(CreatedAtCursorPagination):
    ordering = ("-touched_at", "pk")


class ChatList(WithActor, generics.ListCreateAPIView[Chat]):
    """The user's own chats. `?q=` searches titles and messages."""

    serializer_class = ChatSerializer
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Chat]:
        chats = Chat.objects.visible_to(self.actor)
        chats = chats.filter(archived_at__isnull=not flag_in(self.request, "archived"))
        pinned = flag_in(self.request, "pinned")
        if pinned is not None:
            chats = chats.filter(pinned_at__isnull=not pinned)
        try:
            return chats.matching(self.request.query_params.get("q", ""))
        except SearchTimeout as error:
            raise ValidationError({"q": [error.sentence]}) from None

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, description="Words to look for in titles and messages."),
            OpenApiParameter("archived", bool, description="The archived ones instead."),
            OpenApiParameter("pinned", bool, description="Only those that are pinned, or not."),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        organization = self._organization(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        assert isinstance(self.actor.user, User)
        title = serializer.validated_data.get("title", "")
        chat = Chat.objects.create(organization=organization, owner=self.actor.user, title=title)
        return Response(ChatDetailSerializer(chat).data, status=201)

    def _organization(self, request: Request) -> Organization:
        """Return the organization in the body, or the only one. 404 for organizations of others."""
        mine = self.actor.organization_ids("chat")
        data: Any = request.data
        named = data.get("organization") if isinstance(data, dict) else None
        if named is None:
            if len(mine) != 1:
                raise ValidationError({"organization": ["Name one of your organizations."]})
            return Organization.objects.get(pk=mine[0])
        try:
            named = uuid.UUID(str(named))
        except ValueError:
            raise ValidationError({"organization": ["That is not an id."]}) from None
        if named not in self.actor.roles:
            raise Http404
        if named not in mine:
            raise PermissionDenied("This needs the scope “chat”.")
        return Organization.objects.get(pk=named)


class ChatDetail(WithActor, generics.RetrieveUpdateDestroyAPIView[Chat]):
    """One chat with its messages. DELETE can be undone for a few minutes, by `restore`."""

    serializer_class = ChatDetailSerializer
    http_method_names = ("get", "patch", "delete", "head", "options")

    def get_object(self) -> Chat:
        return self.chat()

    def get_serializer_class(self) -> Any:
        return ChatSerializer if self.request.method == "PATCH" else ChatDetailSerializer

    def perform_update(self, serializer: Any) -> None:
        chat, changes = self.get_object(), serializer.validated_data
        if "title" in changes:
            chat.rename(changes["title"])
        if "is_pinned" in changes:
            chat.pin(changes["is_pinned"])
        if "is_archived" in changes:
            chat.archive(changes["is_archived"])
        serializer.instance = chat

    def perform_destroy(self, chat: Chat) -> None:
        chat.soft_delete()


class ChatRestore(WithActor):
    """Restore a deleted chat."""

    @extend_schema(request=None, responses=ChatSerializer)
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        chat = get_object_or_404(Chat.objects.deleted_by(self.actor), pk=pk)
        chat.restore()
        return Response(ChatSerializer(chat).data)


class ChatExport(WithActor):
    """Export the selected branch. As `?as=markdown` (the default) or `json`."""

    @extend_schema(
        parameters=[OpenApiParameter("as", str, enum=["markdown", "json"])],
        responses={
            (200, "text/markdown"): OpenApiTypes.STR,
            (200, "application/json"): ChatDetailSerializer,
        },
    )
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        chat = self.chat()
        file_format = request.query_params.get("as", "markdown")
        if file_format not in ("markdown", "json"):
            raise ValidationError({"as": ["Choose “markdown” or “json”."]})
        log_action(
            request, Action.EXPORT_CHAT, f"chat {chat.pk}", chat.organization, detail=file_format
        )
        return as_markdown(chat) if file_format == "markdown" else as_json(chat)


class MessageList(WithActor, generics.ListAPIView[Message]):
    """The messages of the selected branch, oldest first."""

    serializer_class = MessageSerializer
    pagination_class = CreatedAtCursorPagination

    def get_queryset(self) -> QuerySet[Message]:
        branch = self.chat().branch()
        self._siblings = {message.pk: message.siblings for message in branch}
        return Message.objects.filter(pk__in=self._siblings).select_related("generation")

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        for message in page or ():
            message.siblings = self._siblings[message.pk]
        return page


class MessageRating(WithActor):
    """Rate an answer, thumbs up or down."""

    @extend_schema(request=RatingSerializer, responses={204: None})
    def put(self, request: Request, pk: uuid.UUID, message: uuid.UUID) -> Response:
        chat = self.chat()
        answer = get_object_or_404(chat.messages.filter(role=Role.ASSISTANT), pk=message)
        serializer = RatingSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        answer.rate(serializer.validated_data["rating"], serializer.validated_data["reason"])
        return Response(status=204)


class MessageSelect(WithActor):
    """Select the branch through a message."""

    @extend_schema(request=None, responses=ChatDetailSerializer)
    def post(self, request: Request, pk: uuid.UUID, message: uuid.UUID) -> Response:
        chat = self.chat()
        chat.select_branch(get_object_or_404(chat.messages, pk=message))
        return Response(ChatDetailSerializer(chat).data)
