"""Stream keys and share links: looked at and revoked, never made here."""

from __future__ import annotations

from django.contrib import admin

from cameras.models import ShareLink, StreamKey
from project.audit.log import Action
from project.audit.model_admin import ReadOnly


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
