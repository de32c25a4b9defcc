"""The JSON of cameras, stream keys, share links and tickets."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as ModelError
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from cameras.ingest.labels import MAX_LABELS, MAX_LENGTH
from cameras.models import Camera, CameraState, ShareLink, StreamKey, Ticket
from cameras.models.cameras import CORNERS_MOST, MASKS_MOST
from cameras.stream_urls import shared_address
from project.accounts.api.serializers import KnownField, OrganizationField, validate_expiry


class StateSerializer(serializers.ModelSerializer[CameraState]):
    class Meta:
        model = CameraState
        fields = ("state", "since", "reason", "fps", "width", "height", "last_frame_at")
        read_only_fields = fields


def _polygon() -> serializers.ListField:
    number = serializers.FloatField(min_value=0, max_value=1)
    corner = serializers.ListField(child=number, min_length=2, max_length=2)
    return serializers.ListField(child=corner, min_length=3, max_length=CORNERS_MOST)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An RTSP camera",
            request_only=True,
            value={
                "organization": "6f1f1f4e-5a0f-4a43-9c39-0a4f5f0d3c11",
                "name": "North gate",
                "kind": "rtsp",
                "source": "rtsp://viewer:secret@192.168.1.20/stream1",
                "fps": 10,
            },
        )
    ]
)
class CameraSerializer(serializers.ModelSerializer[Camera]):
    """A camera. `source` is written in full; its password is masked when it is read."""

    organization = OrganizationField()
    source = serializers.CharField(  # type: ignore[assignment]
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="For administrators; the password reads back •••.",
    )
    classes = serializers.ListField(
        child=serializers.CharField(max_length=MAX_LENGTH),
        max_length=MAX_LABELS,
        required=False,
        help_text="What to detect: COCO's classes, such as `person`, or the labels of the model "
        "that the organization has uploaded.",
    )
    masks = serializers.ListField(
        child=_polygon(),
        max_length=MASKS_MOST,
        required=False,
        help_text="Privacy masks: areas that are painted over before anything else sees the "
        "picture. Each is a list of corners `[x, y]`, from 0 to 1 of its width and height.",
    )
    state = StateSerializer(source="current_state", read_only=True)

    class Meta:
        model = Camera
        fields = (
            "id", "organization", "name", "group", "kind", "source", "enabled", "fps", "width",
            "quality", "aspect", "detect", "classes", "threshold", "masks", "time_zone", "state",
            "created_at",
        )  # fmt: skip
        read_only_fields = ("id", "created_at")
        validators = ()  # `validate` checks the model's constraints

    def to_representation(self, camera: Camera) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(camera)
        if not self.context["request"].auth.has_scope("admin", camera.organization_id):
            data["source"] = ""  # an address may hold a secret where masking does not look
        return data

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields: dict[str, Any] = super().get_fields()
        fields["source"].get_attribute = lambda camera: camera.shown_source
        return fields

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        camera = self.instance or Camera()
        for name, value in values.items():
            setattr(camera, name, value)
        try:
            camera.full_clean()
        except ModelError as error:
            raise serializers.ValidationError(error.message_dict) from None
        self._cleaned = camera
        return values

    def save(self, **kwargs: Any) -> Camera:
        """Save the instance that `validate` checked. Raises 404 if it was deleted meanwhile."""
        try:
            self._cleaned.save()
        except Camera.DoesNotExist:
            raise NotFound from None
        self.instance = self._cleaned
        return self._cleaned


EXPIRES_AT = {
    "validators": [validate_expiry],
    "help_text": "Never later than that of the token which makes it. It also ends with that token, "
    "or else with the membership of who makes it.",
}


class StreamKeySerializer(serializers.ModelSerializer[StreamKey]):
    camera = KnownField(queryset=Camera.objects.all())

    class Meta:
        model = StreamKey
        fields = ("id", "camera", "name", "created_at", "expires_at", "revoked_at")
        read_only_fields = ("id", "created_at", "revoked_at")
        extra_kwargs = {"expires_at": EXPIRES_AT}  # noqa: RUF012 - DRF's


class IssuedStreamKeySerializer(StreamKeySerializer):
    key = serializers.CharField(help_text="Shown only here.")

    class Meta:
        model = StreamKey
        fields = (*StreamKeySerializer.Meta.fields, "key")


class ShareLinkSerializer(serializers.ModelSerializer[ShareLink]):
    """A share link. `url` is the address to pass on."""

    camera = KnownField(queryset=Camera.objects.all())
    url = serializers.SerializerMethodField()

    class Meta:
        model = ShareLink
        fields = (
            "id", "camera", "name", "url", "uses", "uses_most", "created_at", "expires_at",
            "revoked_at",
        )  # fmt: skip
        read_only_fields = ("id", "uses", "created_at", "revoked_at")
        extra_kwargs = {"expires_at": EXPIRES_AT}  # noqa: RUF012 - DRF's

    def get_url(self, link: ShareLink) -> str:
        return shared_address(self.context["request"], link)


class TicketSerializer(serializers.Serializer[Any]):
    camera = serializers.UUIDField()
    purpose = serializers.ChoiceField(choices=Ticket.Purpose.choices)


class IssuedTicketSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="For one WebSocket, as `?ticket=`. Shown only here.")
    expires_at = serializers.DateTimeField()
