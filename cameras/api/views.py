"""Organizations, cameras and stream keys over REST."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, mixins
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from cameras.access import actor_of
from cameras.actors import Actor
from cameras.api.serializers import (
    CameraSerializer,
    IssuedStreamKeySerializer,
    OrganizationSerializer,
    StreamKeySerializer,
)
from cameras.models import Camera, Organization, StreamKey


class _WithActor(APIView):
    @property
    def actor(self) -> Actor:
        return actor_of(self.request)

    def require(self, scope: str, organization_id: uuid.UUID) -> None:
        """403 for a member whose role or token does not hold the scope."""
        if not self.actor.may(scope, organization_id):
            raise PermissionDenied(f"This needs the scope “{scope}” in the organization.")

    def check_reach(self) -> None:
        """403 for a token that may read nothing at all: an empty list would be a lie."""
        if self.actor.roles and not self.actor.organization_ids("read"):
            raise PermissionDenied("This needs the scope “read”.")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.check_reach()


def _uuid_in(request: Request, name: str) -> uuid.UUID | None:
    """The id that the body names; None where it is missing or no id, which serializers tell."""
    data: Any = request.data
    try:
        return uuid.UUID(str(data[name]))
    except (ValueError, KeyError, TypeError):
        return None


class OrganizationList(_WithActor, generics.ListAPIView[Organization]):
    """Organizations that the credential reaches."""

    serializer_class = OrganizationSerializer

    def get_queryset(self) -> QuerySet[Organization]:
        return Organization.objects.visible_to(self.actor)


class OrganizationDetail(_WithActor, generics.RetrieveAPIView[Organization]):
    """One organization."""

    serializer_class = OrganizationSerializer

    def get_queryset(self) -> QuerySet[Organization]:
        return Organization.objects.visible_to(self.actor)


class _Cameras(_WithActor, generics.GenericAPIView[Camera]):
    serializer_class = CameraSerializer

    def get_queryset(self) -> QuerySet[Camera]:
        return Camera.objects.visible_to(self.actor).select_related("organization", "state")

    def admin_only(self, camera: Camera) -> Camera:
        self.require("admin", camera.organization_id)
        return camera


class CameraList(_Cameras, generics.ListCreateAPIView[Camera]):
    """Cameras that the credential may watch. Adding one needs the administrator's role."""

    def perform_create(self, serializer: BaseSerializer[Camera]) -> None:
        serializer.save()

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        # Who may add is settled before what is wrong with it: an outsider learns nothing.
        organization_id = _uuid_in(request, "organization")
        if organization_id is not None:
            if organization_id not in self.actor.roles:
                raise Http404
            self.require("admin", organization_id)
        return super().create(request, *args, **kwargs)


class CameraDetail(_Cameras, generics.RetrieveUpdateDestroyAPIView[Camera]):
    """One camera. Changes take effect within two seconds, without a restart."""

    def get_object(self) -> Camera:
        camera = super().get_object()
        return camera if self.request.method in ("GET", "HEAD") else self.admin_only(camera)


class StreamKeyList(_WithActor, generics.ListCreateAPIView[StreamKey]):
    """Stream keys of the cameras that one operates."""

    serializer_class = StreamKeySerializer

    def get_queryset(self) -> QuerySet[StreamKey]:
        return StreamKey.objects.visible_to(self.actor)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.actor.roles and not self.actor.organization_ids("publish"):
            raise PermissionDenied("This needs the operator's role and the scope “publish”.")

    @extend_schema(responses={201: IssuedStreamKeySerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        camera_id = _uuid_in(request, "camera")
        if camera_id is not None:
            camera = get_object_or_404(Camera.objects.known_to(self.actor), pk=camera_id)
            self.require("publish", camera.organization_id)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        key = StreamKey(created_by=self.actor.user, **serializer.validated_data)
        text = key.issue()
        return Response(StreamKeySerializer(key).data | {"key": text}, status=201)


class StreamKeyDetail(_WithActor, mixins.DestroyModelMixin, generics.RetrieveAPIView[StreamKey]):
    """One stream key; DELETE revokes it and closes its viewers within two seconds."""

    serializer_class = StreamKeySerializer

    def get_object(self) -> StreamKey:
        seen = Camera.objects.visible_to(self.actor)
        key = get_object_or_404(StreamKey, pk=self.kwargs["pk"], camera__in=seen)
        self.require("publish", key.camera.organization_id)
        return key

    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.get_object().revoke()
        return Response(status=204)
