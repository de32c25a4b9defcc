"""The messages of a chat over REST. Prompts and streams are in `chats/api/streams.py`."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from chats.api.access import WithActor
from chats.api.serializers import ChatDetailSerializer, MessageSerializer, RatingSerializer
from chats.models import Message, Role
from project.api import CreatedAtCursorPagination


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
        chat.select_branch(self.message(chat))
        return Response(ChatDetailSerializer(chat).data)
