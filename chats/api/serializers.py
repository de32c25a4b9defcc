"""Chats and messages as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from chats.models import Chat, Message
from chats.models.chats import MAX_TITLE
from project.accounts.api.serializers import OrganizationField


class FaultSerializer(serializers.Serializer[Any]):
    """Why an answer is incomplete."""

    code = serializers.CharField()
    message = serializers.CharField()
    retryable = serializers.BooleanField()


class MessageSerializer(serializers.ModelSerializer[Message]):
    """A message. `siblings` are the ids of all alternatives to it, its own id included."""

    content = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    siblings = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = (
            "id", "role", "content", "status", "error", "model", "tokens_in", "tokens_out",
            "tokens_estimated", "first_token_ms", "duration_ms", "cut_off", "rating",
            "rating_reason", "parent", "siblings", "created_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_content(self, message: Message) -> str:
        return message.text()

    @extend_schema_field(FaultSerializer(allow_null=True))
    def get_error(self, message: Message) -> dict[str, object] | None:
        if not message.error_code:
            return None
        return {
            "code": message.error_code,
            "message": message.error_message,
            "retryable": message.retryable,
        }

    def get_siblings(self, message: Message) -> list[str]:
        return [str(sibling.pk) for sibling in message.siblings]


class ChatSerializer(serializers.ModelSerializer[Chat]):
    """A chat in a list. `organization` is optional for users with only one."""

    organization = OrganizationField(required=False)
    title = serializers.CharField(max_length=MAX_TITLE, required=False, allow_blank=True)
    pinned = serializers.BooleanField(required=False, source="is_pinned")
    archived = serializers.BooleanField(required=False, source="is_archived")

    class Meta:
        model = Chat
        fields = ("id", "organization", "title", "pinned", "archived", "created_at", "touched_at")
        read_only_fields = ("created_at", "touched_at")


class ChatDetailSerializer(ChatSerializer):
    """A chat with the messages of the selected branch, oldest first."""

    messages = MessageSerializer(many=True, read_only=True, source="branch")

    class Meta(ChatSerializer.Meta):
        fields = (*ChatSerializer.Meta.fields, "messages")  # type: ignore[assignment]


class RatingSerializer(serializers.Serializer[Any]):
    """A rating: 1, -1, or null to remove it; with an optional reason."""

    rating = serializers.ChoiceField(choices=[1, -1], allow_null=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
