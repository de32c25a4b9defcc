"""Cameras over REST."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from cameras.api.serializers import CameraSerializer
from cameras.audit import log_camera_change
from cameras.models import Camera
from project.accounts.api.views import WithActor, uuid_in
from project.audit.log import Action, fetch_stored, log_action


class _Cameras(WithActor, generics.GenericAPIView[Camera]):
    serializer_class = CameraSerializer

    def get_queryset(self) -> QuerySet[Camera]:
        return Camera.objects.visible_to(self.actor).select_related("organization", "state")

    def require_admin(self, camera: Camera) -> Camera:
        self.require("admin", camera.organization_id)
        return camera


class CameraList(_Cameras, generics.ListCreateAPIView[Camera]):
    """Cameras that the credential may watch. Adding one needs the administrator's role."""

    @transaction.atomic
    def perform_create(self, serializer: BaseSerializer[Camera]) -> None:
        self.require("admin", serializer.validated_data["organization"].pk)
        log_camera_change(self.request, None, serializer.save())

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        # Permission is checked before the body is validated: an outsider learns nothing from it.
        organization_id = uuid_in(request, "organization")
        if organization_id is not None:
            if organization_id not in self.actor.roles:
                raise Http404
            self.require("admin", organization_id)
        return super().create(request, *args, **kwargs)


class CameraDetail(_Cameras, generics.RetrieveUpdateDestroyAPIView[Camera]):
    """One camera. Changes take effect within two seconds, without a restart."""

    def get_object(self) -> Camera:
        camera = super().get_object()
        return camera if self.request.method in ("GET", "HEAD") else self.require_admin(camera)

    @transaction.atomic
    def perform_update(self, serializer: BaseSerializer[Camera]) -> None:
        assert serializer.instance is not None
        before = fetch_stored(serializer.instance)
        log_camera_change(self.request, before, serializer.save())

    @transaction.atomic
    def perform_destroy(self, camera: Camera) -> None:
        log_action(self.request, Action.REMOVE_CAMERA, camera.name, camera=camera)
        camera.delete()
