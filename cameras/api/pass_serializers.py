"""Shapes of what lets others in: tokens, tickets, stream keys, share links."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from cameras.models import ShareLink, StreamKey, Ticket, Token
from cameras.models.credentials import SCOPES, validate_token_name
from cameras.stream_urls import shared_address

LONGEST = timedelta(days=366)


def within_a_year(value: datetime) -> None:
    """From now on, and not for ever."""
    if not timezone.now() < value <= timezone.now() + LONGEST:
        raise serializers.ValidationError("This must be between now and a year from now.")


class StreamKeySerializer(serializers.ModelSerializer[StreamKey]):
    class Meta:
        model = StreamKey
        fields = ("id", "camera", "name", "created_at", "expires_at", "revoked_at")
        read_only_fields = ("id", "created_at", "revoked_at")
        extra_kwargs = {"expires_at": {"validators": [within_a_year]}}  # noqa: RUF012 - DRF's


class IssuedStreamKeySerializer(StreamKeySerializer):
    key = serializers.CharField(help_text="Shown only here.")

    class Meta:
        model = StreamKey
        fields = (*StreamKeySerializer.Meta.fields, "key")


class ShareLinkSerializer(serializers.ModelSerializer[ShareLink]):
    """`url` is the address to hand on."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = ShareLink
        fields = (
            "id", "camera", "name", "url", "uses", "uses_most", "created_at", "expires_at",
            "revoked_at",
        )  # fmt: skip
        read_only_fields = ("id", "uses", "created_at", "revoked_at")
        extra_kwargs = {"expires_at": {"validators": [within_a_year]}}  # noqa: RUF012 - DRF's

    def get_url(self, link: ShareLink) -> str:
        return shared_address(self.context["request"], link)


class TokenSerializer(serializers.ModelSerializer[Token]):
    id = serializers.UUIDField(source="uid", read_only=True)
    user = serializers.CharField(source="user.username", read_only=True)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPES), min_length=1, max_length=len(SCOPES)
    )

    class Meta:
        model = Token
        fields = (
            "id", "organization", "user", "name", "scopes", "created", "expiry", "revoked_at",
        )  # fmt: skip
        read_only_fields = ("id", "created", "revoked_at")
        extra_kwargs = {  # noqa: RUF012 - DRF's
            "organization": {"required": False, "allow_null": False},
            "name": {"required": True, "validators": [validate_token_name]},
            "expiry": {
                "required": False,
                "allow_null": False,
                "validators": [within_a_year],
                "help_text": "In 90 days unless said; never beyond that of the token that asks.",
            },
        }

    def validate_scopes(self, value: list[str]) -> list[str]:
        return sorted(set(value))


class IssuedTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="Shown only here.")

    class Meta:
        model = Token
        fields = (*TokenSerializer.Meta.fields, "token")


class TicketSerializer(serializers.Serializer[Any]):
    camera = serializers.UUIDField()
    purpose = serializers.ChoiceField(choices=Ticket.Purpose.choices)


class IssuedTicketSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="For one socket: `?ticket=`. Shown only here.")
    expires_at = serializers.DateTimeField()
