"""What lets programs and guests in: looked at and revoked, never made here."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from cameras.admin.noting import Noted
from cameras.audit import Action, note
from cameras.models import ShareLink, StreamKey, Token


class ReadOnly(Noted[Any]):
    """May be looked at, deleted and revoked; never made or changed here."""

    actions = ("revoke",)
    revoked: ClassVar[Action]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def note_removed(self, request: HttpRequest, row: Any) -> None:
        """Who deletes it takes it from who holds it, as well."""
        camera = getattr(row, "camera", None)
        home = camera.organization if camera else row.organization
        whose = f"of {row.user}" if isinstance(row, Token) else ""
        note(request, self.revoked, row.name, home, camera=camera, detail=whose)

    @admin.action(description="Revoke", permissions=["delete"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        with transaction.atomic():
            for one in chosen:
                self.note_removed(request, one)
                one.revoke()
        self.message_user(request, f"Revoked: {len(chosen)}.")


@admin.register(Token)
class TokenAdmin(ReadOnly):
    revoked = Action.REVOKE_TOKEN
    list_display = ("name", "user", "organization", "scopes", "created", "expiry", "revoked_at")
    list_filter = ("organization",)
    list_select_related = ("user", "organization")
    search_fields = ("name", "user__username")
    fields = list_display


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
