"""The installation's own view of everything. Secrets are read-only, masked or absent."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cameras.api.pictures import newest
from cameras.forms import SourceForm
from cameras.models import (
    AuditEntry,
    Camera,
    CameraStill,
    Membership,
    Organization,
    StreamKey,
    Token,
    User,
)
from cameras.models.cameras import CameraQuerySet
from cameras.views.camera_edit import tried

M = TypeVar("M", bound=Model)


class CountsWhatGoes(admin.ModelAdmin[M]):
    """Before a deletion, what goes along is counted, not listed: names in it may be private."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        _, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return [str(one) for one in objs], counts, lacking, protected


@admin.register(User)
class PersonAdmin(CountsWhatGoes[User], UserAdmin[User]):
    """People, as Django shows them."""


class MembershipInline(admin.TabularInline[Membership, Organization]):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Organization)
class OrganizationAdmin(CountsWhatGoes[Organization]):
    list_display = ("name", "slug", "time_zone", "members", "cameras")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}  # noqa: RUF012 - Django's attribute
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                member_count=Count("memberships", distinct=True),
                camera_count=Count("cameras", distinct=True),
            )
        )

    @admin.display(ordering="member_count")
    def members(self, organization: Any) -> int:
        return int(organization.member_count)

    @admin.display(ordering="camera_count")
    def cameras(self, organization: Any) -> int:
        return int(organization.camera_count)


class CameraAdminForm(SourceForm):
    class Meta:
        model = Camera
        fields = (
            "organization", "name", "kind", "source", "enabled", "detect", "classes", "threshold",
            "fps", "width", "quality", "time_zone",
        )  # fmt: skip


@admin.register(Camera)
class CameraAdmin(admin.ModelAdmin[Camera]):
    form = CameraAdminForm
    list_display = ("thumbnail", "name", "organization", "kind", "shown_source", "how", "fps_now")
    list_display_links = ("thumbnail", "name")
    list_filter = ("organization", "kind", "enabled")
    list_select_related = ("organization", "state")
    search_fields = ("name", "organization__name")
    actions = ("enable", "disable", "test_connection")

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
        kept = await database_sync_to_async(self._kept)(request, pk)
        frame = await newest(str(pk))
        jpeg = frame.jpeg if frame is not None else kept
        if jpeg is None:
            raise Http404
        response = HttpResponse(jpeg, content_type="image/jpeg")
        response["Cache-Control"] = "private, no-cache"
        return response

    def _kept(self, request: HttpRequest, pk: uuid.UUID) -> bytes | None:
        if not (self.admin_site.has_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        jpeg = CameraStill.objects.filter(camera=pk).values_list("jpeg", flat=True).first()
        return None if jpeg is None else bytes(jpeg)

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
        count = cameras.update(enabled=True)
        self.message_user(request, f"Switched on: {count}.")

    @admin.action(description="Switch off", permissions=["change"])
    def disable(self, request: HttpRequest, cameras: CameraQuerySet) -> None:
        count = cameras.update(enabled=False)
        self.message_user(request, f"Switched off: {count}.")

    @admin.action(description="Test connection (at most 5 s each)", permissions=["change"])
    def test_connection(self, request: HttpRequest, cameras: CameraQuerySet) -> None:
        for camera in cameras:
            answer = tried(camera)
            level = messages.SUCCESS if answer["ok"] else messages.ERROR
            self.message_user(request, f"{camera}: {answer['sentence']}", level)


class ReadOnly(admin.ModelAdmin[Any]):
    """May be looked at, deleted and revoked; never made or changed here."""

    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Revoke", permissions=["delete"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        for one in chosen:
            one.revoke()
        self.message_user(request, f"Revoked: {len(chosen)}.")


@admin.register(Token)
class TokenAdmin(ReadOnly):
    list_display = ("name", "user", "organization", "scopes", "created", "expiry", "revoked_at")
    list_filter = ("organization",)
    list_select_related = ("user", "organization")
    search_fields = ("name", "user__username")
    fields = list_display


@admin.register(StreamKey)
class StreamKeyAdmin(ReadOnly):
    list_display = ("name", "camera", "created_by", "created_at", "expires_at", "revoked_at")
    list_filter = ("camera__organization",)
    list_select_related = ("camera", "created_by")
    search_fields = ("name", "camera__name")
    fields = list_display


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin[AuditEntry]):
    """Read, and nothing else: what is written down stays."""

    list_display = ("at", "who", "action", "subject", "organization", "address")
    list_filter = ("action", "organization")
    list_select_related = ("organization",)
    search_fields = ("who", "subject", "address")
    date_hierarchy = "at"
    fields = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
