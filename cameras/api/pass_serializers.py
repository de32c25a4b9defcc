"""Shapes of what lets others watch: tickets, stream keys, share links."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cameras.models import ShareLink, StreamKey, Ticket
from cameras.stream_urls import shared_address
from project.accounts.api.serializers import within_a_year


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


class TicketSerializer(serializers.Serializer[Any]):
    camera = serializers.UUIDField()
    purpose = serializers.ChoiceField(choices=Ticket.Purpose.choices)


class IssuedTicketSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="For one socket: `?ticket=`. Shown only here.")
    expires_at = serializers.DateTimeField()
