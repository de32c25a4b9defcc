"""The installation's own view of cameras. Secrets are read-only, masked or absent, and what is done
here is in the audit log like what is done elsewhere."""

from __future__ import annotations

import uuid
from typing import Any

from channels.db import database_sync_to_async
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cameras.audit import note_camera
from cameras.forms import FIELDS, SourceForm
from cameras.live.process import newest_frame
from cameras.models import Camera, CameraStill, ShareLink, StreamKey
from cameras.models.cameras import CameraQuerySet
from cameras.source_check import check_source
from project.audit.log import Action, note
from project.audit.model_admin import Noted, ReadOnly
from project.audit.stills import saw_still


class CameraAdminForm(SourceForm):
    class Meta:
        model = Camera
        fields = FIELDS


@admin.register(Camera)
class CameraAdmin(Noted[Camera]):
    form = CameraAdminForm
    list_display = ("thumbnail", "name", "organization", "kind", "shown_source", "how", "fps_now")
    list_display_links = ("thumbnail", "name")
    list_filter = ("organization", "kind", "enabled")
    list_select_related = ("organization", "state")
    search_fields = ("name", "organization__name")
    actions = ("enable", "disable", "test_connection")

    def get_fieldsets(self, request: HttpRequest, obj: Camera | None = None) -> Any:
        """To who may only look, Django would show the model's attribute `source`: in clear."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        shown = ["shown_source" if one == "source" else one for one in FIELDS]
        return ((None, {"fields": shown}),)

    def note_saved(self, request: HttpRequest, before: Camera | None, after: Camera) -> None:
        note_camera(request, before, after)

    def note_removed(self, request: HttpRequest, row: Camera) -> None:
        note(request, Action.REMOVE_CAMERA, row.name, camera=row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Camera]:
        return super().get_queryset(request).annotate(still_at=F("still__taken_at"))

    def get_urls(self) -> list[URLPattern]:
        # Not under `admin_view`, which cannot wait for a frame; `thumbnail_view` asks itself.
        thumbnail = path(
            "<uuid:pk>/thumbnail.jpg", self.thumbnail_view, name="cameras_camera_thumbnail"
        )
        return [thumbnail, *super().get_urls()]

    async def thumbnail_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """The newest frame; of a camera that sends none, the last picture that was kept."""
        camera = await database_sync_to_async(self._camera_of)(request, pk)
        frame = await newest_frame(camera)
        jpeg = frame.jpeg if frame else await database_sync_to_async(_kept)(camera)
        if jpeg is None:
            raise Http404
        response = HttpResponse(jpeg, content_type="image/jpeg")
        response["Cache-Control"] = "private, no-cache"
        return response

    def _camera_of(self, request: HttpRequest, pk: uuid.UUID) -> Camera:
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        camera = get_object_or_404(Camera.objects.select_related("organization"), pk=pk)
        saw_still(request, camera)
        return camera

    @admin.display(description="picture")
    def thumbnail(self, camera: Any) -> SafeString | str:
        if camera.still_at is None:
            return "none yet"
        address = reverse("admin:cameras_camera_thumbnail", args=(camera.pk,))
        # The time in the address makes the list show a new picture after a reload.
        return format_html(
            '<img class="thumbnail" src="{}?{}" alt="">', address, int(camera.still_at.timestamp())
        )

    @admin.display(description="state")
    def how(self, camera: Camera) -> str:
        return camera.current_state().sentence()

    @admin.display(description="measured fps")
    def fps_now(self, camera: Camera) -> str:
        state = camera.current_state()
        return f"{state.fps:.1f}" if state.state == "live" else ""

    @admin.action(description="Switch on", permissions=["change"])
    def enable(self, request: HttpRequest, cameras: CameraQuerySet) -> None:
        count = _switch(request, cameras, True)
        self.message_user(request, f"Switched on: {count}.")

    @admin.action(description="Switch off", permissions=["change"])
    def disable(self, request: HttpRequest, cameras: CameraQuerySet) -> None:
        count = _switch(request, cameras, False)
        self.message_user(request, f"Switched off: {count}.")

    @admin.action(description="Test connection (at most 5 s each)", permissions=["change"])
    def test_connection(self, request: HttpRequest, cameras: CameraQuerySet) -> None:
        for camera in cameras:
            answer = check_source(camera)
            level = messages.SUCCESS if answer["ok"] else messages.ERROR
            self.message_user(request, f"{camera}: {answer['sentence']}", level)


def _kept(camera: Camera) -> bytes | None:
    jpeg = CameraStill.objects.filter(camera=camera).values_list("jpeg", flat=True).first()
    return None if jpeg is None else bytes(jpeg)


@transaction.atomic
def _switch(request: HttpRequest, cameras: CameraQuerySet, on: bool) -> int:
    said = f"enabled: {'no → yes' if on else 'yes → no'}"
    for camera in cameras.select_related("organization").exclude(enabled=on):
        note(request, Action.CHANGE_CAMERA, camera.name, camera=camera, detail=said)
    return cameras.update(enabled=on)


@admin.register(StreamKey)
class StreamKeyAdmin(ReadOnly):
    revoked = Action.REVOKE_KEY
    list_display = ("name", "camera", "created_by", "created_at", "expires_at", "revoked_at")
    list_filter = ("camera__organization",)
    list_select_related = ("camera__organization", "created_by")
    search_fields = ("name", "camera__name")
    fields = list_display


@admin.register(ShareLink)
class ShareLinkAdmin(ReadOnly):
    revoked = Action.REVOKE_LINK
    list_display = (
        "name", "camera", "created_by", "created_at", "expires_at", "uses", "uses_most",
        "revoked_at",
    )  # fmt: skip
    list_filter = ("camera__organization",)
    list_select_related = ("camera__organization", "created_by")
    search_fields = ("name", "camera__name")
    fields = list_display
