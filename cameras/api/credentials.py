"""Stream keys, share links and tickets over REST."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
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
from cameras.models import Camera, Kind, ShareLink, StreamKey, Ticket
from cameras.models.tickets import TICKET_LIFE, TooManyTickets
from project.accounts.api.views import ForOperators, WithActor, uuid_in
from project.audit.log import Action, note


class TicketList(WithActor):
    """One socket to one camera, within half a minute, without a header or a cookie."""

    def check_reach(self) -> None:
        """What is needed depends on the purpose."""

    @extend_schema(request=TicketSerializer, responses={201: IssuedTicketSerializer})
    def post(self, request: Request) -> Response:
        camera_id = uuid_in(request, "camera")
        known = Camera.objects.known_to(self.actor)
        camera = get_object_or_404(known, pk=camera_id) if camera_id else None
        form = TicketSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        assert camera is not None  # the form refuses what is no id
        purpose = form.validated_data["purpose"]
        publish = purpose == Ticket.Purpose.PUBLISH
        if not (camera.may_be_published_by if publish else camera.may_be_watched_by)(self.actor):
            raise PermissionDenied(f"This needs the scope “{'publish' if publish else 'read'}”.")
        if publish and camera.kind != Kind.PUSH:
            raise ValidationError({"camera": ["This camera is not of kind push."]})
        try:
            ticket, until = Ticket.issue(camera, purpose, self.actor.grant)
        except TooManyTickets:
            raise Throttled(
                TICKET_LIFE.seconds, "Too many tickets wait to be used; use them first."
            ) from None
        answer = Response({"ticket": ticket, "expires_at": until}, status=201)
        answer["Cache-Control"] = "no-store"
        return answer


class _Passes(ForOperators):
    """What operators make for a camera, and revoke."""

    def camera_in(self, request: Request) -> None:
        """404 and 403 before anything is said about the rest of the body."""
        camera_id = uuid_in(request, "camera")
        if camera_id is not None:
            camera = get_object_or_404(Camera.objects.known_to(self.actor), pk=camera_id)
            self.require("publish", camera.organization_id)

    def one(self, model: type[Model]) -> Any:
        """The one of the path, if its camera is seen; 403 where one may only watch that."""
        seen = Camera.objects.visible_to(self.actor)
        found: Any = get_object_or_404(model, pk=self.kwargs["pk"], camera__in=seen)
        self.require("publish", found.camera.organization_id)
        return found


class StreamKeyList(_Passes, generics.ListCreateAPIView[StreamKey]):
    """Stream keys of the cameras that one operates."""

    serializer_class = StreamKeySerializer

    def get_queryset(self) -> QuerySet[StreamKey]:
        return StreamKey.objects.visible_to(self.actor)

    @extend_schema(responses={201: IssuedStreamKeySerializer})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.camera_in(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.require("publish", serializer.validated_data["camera"].organization_id)
        key = StreamKey(created_by=self.actor.user, **serializer.validated_data)
        with transaction.atomic():
            text = key.issue()
            ends = f"ends {key.expires_at:%-d %B %Y}"
            note(request, Action.MAKE_KEY, key.name, camera=key.camera, detail=ends)
        return Response(StreamKeySerializer(key).data | {"key": text}, status=201)


class StreamKeyDetail(_Passes, generics.RetrieveDestroyAPIView[StreamKey]):
    """One stream key; DELETE revokes it and closes its viewers within two seconds."""

    serializer_class = StreamKeySerializer

    def get_object(self) -> StreamKey:
        key: StreamKey = self.one(StreamKey)
        return key

    @transaction.atomic
    def perform_destroy(self, instance: StreamKey) -> None:
        instance.revoke()
        note(self.request, Action.REVOKE_KEY, instance.name, camera=instance.camera)


class ShareLinkList(_Passes, generics.ListCreateAPIView[ShareLink]):
    """Share links of the cameras that one operates."""

    serializer_class = ShareLinkSerializer

    def get_queryset(self) -> QuerySet[ShareLink]:
        return ShareLink.objects.visible_to(self.actor)

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.camera_in(request)
        return self.create(request, *args, **kwargs)

    @transaction.atomic
    def perform_create(self, serializer: Any) -> None:
        self.require("publish", serializer.validated_data["camera"].organization_id)
        link = serializer.save(created_by=self.actor.user)
        said = f"may be opened {link.openings}, ends {link.expires_at:%-d %B %Y}"
        note(self.request, Action.MAKE_LINK, link.name, camera=link.camera, detail=said)


class ShareLinkDetail(_Passes, generics.RetrieveDestroyAPIView[ShareLink]):
    """One share link; DELETE revokes it and closes its viewers within two seconds."""

    serializer_class = ShareLinkSerializer

    def get_object(self) -> ShareLink:
        link: ShareLink = self.one(ShareLink)
        return link

    @transaction.atomic
    def perform_destroy(self, instance: ShareLink) -> None:
        instance.revoke()
        note(self.request, Action.REVOKE_LINK, instance.name, camera=instance.camera)
