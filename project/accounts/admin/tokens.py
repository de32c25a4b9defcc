"""Tokens: shown and revoked, never created in the admin."""

from __future__ import annotations

from django.contrib import admin

from project.accounts.models import Token
from project.audit.log import Action
from project.audit.model_admin import RevokeOnlyAdmin


@admin.register(Token)
class TokenAdmin(RevokeOnlyAdmin):
    revoked = Action.REVOKE_TOKEN
    list_display = ("name", "user", "organization", "scopes", "created", "expiry", "revoked_at")
    list_filter = ("organization",)
    list_select_related = ("user", "organization")
    search_fields = ("name", "user__username")
    fields = list_display
