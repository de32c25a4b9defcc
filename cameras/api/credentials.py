"""Stream keys, share links and tickets over REST."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.exceptions import Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from cameras.api.serializers import (
    IssuedStreamKeySerializer,
    IssuedTicketSerializer,
    ShareLinkSerializer,
    StreamKeySerializer,
    TicketSerializer,
)
from cameras.audit import make_share_link, make_stream_key, revoke
from cameras.models import Camera, Kind, ShareLink, StreamKey, Ticket
from cameras.models.tickets import TICKET_LIFE, TooManyTickets
from project.accounts.api.views import ForOperators, WithActor, uuid_in


class TicketList(WithActor):
    """Issue a ticket: it opens one WebSocket to one camera, within 30 s."""

    def check_least_scope(self) -> None:
        """Do nothing: the scope depends on the purpose, which `post` checks."""

    @extend_schema(request=TicketSerializer, responses={201: IssuedTicketSerializer})
    def post(self, request: Request) -> Response:
        camera_id = uuid_in(request, "camera")
        known = Camera.objects.known_to(self.actor)
        camera = get_object_or_404(known, pk=camera_id) if camera_id else None
        serializer = TicketSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        assert camera is not None  # the serializer has rejected an invalid id
        purpose = serializer.validated_data["purpose"]
        publish = purpose == Ticket.Purpose.PUBLISH
        if not (camera.may_be_published_by if publish else camera.may_be_watched_by)(self.actor):
            raise PermissionDenied(f"This needs the scope “{'publish' if publish else 'read'}”.")
        if publish and camera.kind != Kind.PUSH:
            raise ValidationError({"camera": ["This camera is not of kind push."]})
        try:
            ticket, until = Ticket.issue(camera, purpose, self.actor.credential)
        except TooManyTickets:
            raise Throttled(
                TICKET_LIFE.seconds, "Too many tickets wait to be used; use them first."
            ) from None
        response = Response({"ticket": ticket, "expires_at": until}, status=201)
        response["Cache-Control"] = "no-store"
        return response


class _CredentialList(ForOperators, generics.ListCreateAPIView[Any]):
    """Base of the views where operators create stream keys and share links: `model`."""

    model: type[StreamKey | ShareLink]

    def get_queryset(self) -> QuerySet[Any]:
        return self.model.objects.visible_to(self.actor)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Check access to the camera named in the body, before the rest is validated.

        Raises 404 if the caller cannot see it, 403 if they may not publish to it.
        """
        camera_id = uuid_in(request, "camera")
        if camera_id is not None:
            camera = get_object_or_404(Camera.objects.known_to(self.actor), pk=camera_id)
            self.require("publish", camera.organization_id)
        return super().create(request, *args, **kwargs)


class _CredentialDetail(ForOperators, generics.RetrieveDestroyAPIView[Any]):
    """Base of the views of one stream key or share link: `model`."""

    model: type[StreamKey | ShareLink]

    def perform_destroy(self, instance: StreamKey | ShareLink) -> None:
        revoke(self.request, instance)

    def get_object(self) -> Any:
        """Return the credential named in the URL.

        Raises 404 if the caller cannot see its camera, 403 if they may only watch it.
        """
        visible = Camera.objects.visible_to(self.actor)
        credential: Any = get_object_or_404(self.model, pk=self.kwargs["pk"], camera__in=visible)
        self.require("publish", credential.camera.organization_id)
        return credential


class StreamKeyList(_CredentialList):
    """Stream keys of the cameras that the caller operates. Only POST shows a key."""

    model = StreamKey
    serializer_class = StreamKeySerializer

    @extend_schema(responses={201: IssuedStreamKeySerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = self.create(request, *args, **kwargs)
        response.data["key"] = self._text
        return response

    def perform_create(self, serializer: Any) -> None:
        key = serializer.instance = StreamKey(**serializer.validated_data)
        self._text = make_stream_key(self.request, self.actor, key)


class StreamKeyDetail(_CredentialDetail):
    """One stream key. DELETE revokes it and disconnects its viewers within two seconds."""

    model = StreamKey
    serializer_class = StreamKeySerializer


class ShareLinkList(_CredentialList):
    """Share links of the cameras that the caller operates."""

    model = ShareLink
    serializer_class = ShareLinkSerializer

    def perform_create(self, serializer: Any) -> None:
        link = serializer.instance = ShareLink(**serializer.validated_data)
        make_share_link(self.request, self.actor, link)


class ShareLinkDetail(_CredentialDetail):
    """One share link. DELETE revokes it and disconnects its viewers within two seconds."""

    model = ShareLink
    serializer_class = ShareLinkSerializer
