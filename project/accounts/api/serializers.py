"""Organizations, sign-ins and tokens as JSON."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from project.accounts.models import Organization, Token
from project.accounts.models.tokens import SCOPES, validate_token_name

LONGEST_EXPIRY = timedelta(days=366)


def validate_expiry(value: datetime) -> None:
    """Validate a time in the future, at most `LONGEST_EXPIRY` ahead."""
    if not timezone.now() < value <= timezone.now() + LONGEST_EXPIRY:
        raise serializers.ValidationError("This must be between now and a year from now.")


class KnownField(serializers.PrimaryKeyRelatedField[Any]):
    """An object that a body names. One that the caller does not know is answered like one that
    does not exist. The queryset has a method `known_to(actor)`."""

    def get_queryset(self) -> Any:
        queryset: Any = super().get_queryset()
        return queryset.known_to(self.context["request"].auth)


class OrganizationField(KnownField):
    """The organization of a new object, which keeps it: any other value gets the same error."""

    default_error_messages = {"kept": "It stays in its organization."}  # noqa: RUF012 - DRF's

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=Organization.objects.all(), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        instance = getattr(self.parent, "instance", None)
        if instance is None:
            return super().to_internal_value(data)
        try:
            is_same = uuid.UUID(str(data)) == instance.organization_id
        except ValueError:
            is_same = False
        if not is_same:
            self.fail("kept")
        return instance.organization


class TokenSerializer(serializers.ModelSerializer[Token]):
    id = serializers.UUIDField(source="uid", read_only=True)
    organization = OrganizationField(required=False)
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
            "name": {"required": True, "validators": [validate_token_name]},
            "expiry": {
                "required": False,
                "allow_null": False,
                "validators": [validate_expiry],
                "help_text": "Default: in 90 days. Never later than that of its parent token.",
            },
        }

    def validate_scopes(self, value: list[str]) -> list[str]:
        return sorted(set(value))


class IssuedTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="Shown only here.")

    class Meta:
        model = Token
        fields = (*TokenSerializer.Meta.fields, "token")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "With one membership",
            request_only=True,
            value={"username": "coach", "password": "correct horse battery"},
        )
    ]
)
class LoginSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, write_only=True)
    organization = serializers.SlugField(
        required=False, help_text="Optional if the user has one membership."
    )
    code = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=100,
        write_only=True,
        help_text="Of the authenticator app, or a recovery code. Without it, an account that has "
        "a second factor is answered 401 with `second_factor`: `required`.",
    )


class LoggedInSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Shown only here.")
    expiry = serializers.DateTimeField()
    organization = serializers.SlugField()


class OrganizationSerializer(serializers.ModelSerializer[Organization]):
    metadata = serializers.SerializerMethodField()
    role = serializers.SerializerMethodField()

    class Meta:
        model = Organization
        fields = ("id", "name", "slug", "time_zone", "metadata", "role", "created_at")

    @extend_schema_field({"type": "object", "properties": {"serverHostURL": {"type": "string"}}})
    def get_metadata(self, organization: Organization) -> dict[str, Any]:
        host = self.context["request"].get_host().rsplit(":", 1)
        bare = host[0] if len(host) == 2 and host[1].isdigit() else ":".join(host)
        metadata: dict[str, Any] = organization.metadata
        return metadata | {"serverHostURL": organization.server_host(bare)}

    def get_role(self, organization: Organization) -> str:
        return str(self.context["request"].auth.roles[organization.pk])
