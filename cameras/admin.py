"""Admin of cameras, device grants, stream keys and share links.

Secrets are masked or absent. Changes are recorded in the audit log.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cameras.audit import log_camera_change
from cameras.forms import FIELDS, SourceForm
from cameras.models import Camera, CameraState, CameraStill, DeviceGrant, ShareLink, StreamKey
from cameras.models.cameras import CameraQuerySet
from cameras.source_check import check_source
from project.accounts.authentication import Denied
from project.audit.log import Action, log_action
from project.audit.model_admin import AuditedAdmin, RevokeOnlyAdmin
from project.audit.recent_views import log_picture
from project.audit.requesters import Requester


class CameraAdminForm(SourceForm):
    class Meta:
        model = Camera
        fields = FIELDS


@admin.register(Camera)
class CameraAdmin(AuditedAdmin[Camera]):
    form = CameraAdminForm
    list_display = (
        "thumbnail",
        "name",
        "organization",
        "kind",
        "shown_source",
        "current_state",
        "fps_now",
    )
    list_display_links = ("thumbnail", "name")
    list_filter = ("organization", "kind", "enabled")
    list_select_related = ("organization", "state")
    search_fields = ("name", "organization__name")
    actions = ("enable", "disable", "test_connection")

    def get_fieldsets(self, request: HttpRequest, obj: Camera | None = None) -> Any:
        """Show view-only users the masked source: Django would show `Camera.source` unmasked."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        fields = ["shown_source" if name == "source" else name for name in FIELDS]
        return ((None, {"fields": fields}),)

    def log_saved(self, request: HttpRequest, before: Camera | None, after: Camera) -> None:
        log_camera_change(request, before, after)

    def log_removed(self, request: HttpRequest, row: Camera) -> None:
        log_action(request, Action.REMOVE_CAMERA, row.name, camera=row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Camera]:
        return super().get_queryset(request).annotate(still_at=F("still__taken_at"))

    def get_urls(self) -> list[URLPattern]:
        thumbnail = path(
            "<uuid:pk>/thumbnail.jpg", self.thumbnail_view, name="cameras_camera_thumbnail"
        )
        return [thumbnail, *super().get_urls()]

    def thumbnail_view(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Return the stored still picture as JPEG. Not wrapped in `admin_view`: no page."""
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        stills = CameraStill.objects.select_related("camera__organization")
        still = get_object_or_404(stills, pk=pk)
        try:
            log_picture(Requester.of(request), still.camera, Action.STILLS)
        except Denied as denied:
            return denied.response
        return HttpResponse(bytes(still.jpeg), content_type="image/jpeg")

    @admin.display(description="picture")
    def thumbnail(self, camera: Any) -> SafeString | str:
        if camera.still_at is None:
            return "none yet"
        address = reverse("admin:cameras_camera_thumbnail", args=(camera.pk,))
        # The time in the URL makes the browser load a new picture.
        return format_html(
            '<img class="thumbnail" src="{}?{}" alt="">', address, int(camera.still_at.timestamp())
        )

    @admin.display(description="state")
    def current_state(self, camera: Camera) -> str:
        return camera.current_state().sentence()

    @admin.display(description="measured fps")
    def fps_now(self, camera: Camera) -> str:
        state = camera.current_state()
        return f"{state.fps:.1f}" if state.state == "live" else ""

    @admin.action(description="Switch on", permissions=["change"])
    def enable(self, request: HttpRequest, cameras: CameraQuerySet) -> None:
        count = _set_enabled(request, cameras, True)
        self.message_user(request, f"Switched on: {count}.")

    @admin.action(description="Switch off", permissions=["change"])
    def disable(self, request: HttpRequest, cameras: CameraQuerySet) -> None:
        count = _set_enabled(request, cameras, False)
        self.message_user(request, f"Switched off: {count}.")

    @admin.action(description="Test connection (at most 10 s each)", permissions=["change"])
    def test_connection(self, request: HttpRequest, cameras: CameraQuerySet) -> None:
        for camera in cameras:
            answer = check_source(camera)
            level = messages.SUCCESS if answer["ok"] else messages.ERROR
            self.message_user(request, f"{camera}: {answer['sentence']}", level)


@transaction.atomic
def _set_enabled(request: HttpRequest, cameras: CameraQuerySet, on: bool) -> int:
    """Switch the cameras on or off. Returns how many were updated."""
    detail = f"enabled: {'no → yes' if on else 'yes → no'}"
    changed = list(cameras.select_related("organization").exclude(enabled=on))
    for camera in changed:
        log_action(request, Action.CHANGE_CAMERA, camera.name, camera=camera, detail=detail)
    if on:
        CameraState.restart([camera.pk for camera in changed])
    return cameras.update(enabled=on)


@admin.register(DeviceGrant)
class DeviceGrantAdmin(AuditedAdmin[DeviceGrant]):
    """Grants are made and withdrawn, not changed."""

    list_display = ("device_path", "organization", "created_at")
    list_display_links = ("device_path",)
    list_filter = ("organization",)
    list_select_related = ("organization",)
    added = Action.GRANT_DEVICE
    removed = Action.WITHDRAW_DEVICE

    def has_change_permission(self, request: HttpRequest, obj: DeviceGrant | None = None) -> bool:
        return False

    @admin.display(description="device", ordering="device")
    def device_path(self, grant: DeviceGrant) -> str:
        return str(grant)


@admin.register(StreamKey)
class StreamKeyAdmin(RevokeOnlyAdmin):
    revoked = Action.REVOKE_KEY
    list_display = ("name", "camera", "created_by", "created_at", "expires_at", "revoked_at")
    list_filter = ("camera__organization",)
    list_select_related = ("camera__organization", "created_by")
    search_fields = ("name", "camera__name")
    fields = list_display


@admin.register(ShareLink)
class ShareLinkAdmin(RevokeOnlyAdmin):
    revoked = Action.REVOKE_LINK
    list_display = (
        "name", "camera", "created_by", "created_at", "expires_at", "uses", "uses_most",
        "revoked_at",
    )  # fmt: skip
    list_filter = ("camera__organization",)
    list_select_related = ("camera__organization", "created_by")
    search_fields = ("name", "camera__name")
    fields = list_display
