"""Actions on an organization's pages and over the API make one log entry each."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from cameras.models import Camera, StreamKey
from chats.models import Chat
from project.accounts.models import Membership, Organization, Token, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import client_of, fields
from tests.project.audit.written import logged_actions

pytestmark = pytest.mark.django_db


@pytest.mark.postgres
def test_camera_changes_are_logged_without_passwords(club: Organization, admin: User) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get()
    edit = reverse("camera-edit", args=[camera.pk])
    kept = camera.shown_source
    client.post(edit, fields(source=kept, name="West goal", fps="12"))
    client.post(edit, fields(source="rtsp://u:hush@192.0.2.8/b", name="West goal", fps="12"))
    client.post(edit, fields(source="rtsp://u:other@192.0.2.8/b", name="West goal", fps="12"))
    client.post(reverse("camera-delete", args=[camera.pk]))
    entries = logged_actions()
    assert [(action, subject) for action, subject, _ in entries] == [
        ("add camera", "Goal"),
        ("change camera", "West goal"),
        ("change source", "West goal"),
        ("change source", "West goal"),
        ("remove camera", "West goal"),
    ]
    assert entries[1][2] == "name: Goal → West goal; frames per second: 10 → 12"
    assert "192.0.2.7/a → " in entries[2][2]
    assert "192.0.2.8/b, another password" in entries[3][2]
    assert not any(secret in str(entries) for secret in ("secret", "hush", "other@"))
    assert set(AuditEntry.objects.values_list("camera_id", flat=True)[:5]) == {camera.pk}
    assert {entry.organization for entry in AuditEntry.objects.all()} == {club}


def test_unchanged_camera_is_not_logged(club: Organization, admin: User) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get()
    client.post(reverse("camera-edit", args=[camera.pk]), fields(source=camera.shown_source))
    assert [action for action, _, _ in logged_actions()] == ["add camera"]


def test_api_logs_camera_changes(club: Organization, admin: User) -> None:
    _, text = Token.objects.create(user=admin, organization=club, scopes=["read", "admin"])
    auth: Any = {"content_type": "application/json", "HTTP_AUTHORIZATION": f"Bearer {text}"}
    facts = {"organization": str(club.pk), "name": "Gate", "kind": "push"}
    made = Client().post(reverse("api-cameras"), facts, **auth)
    assert made.status_code == 201, made.content
    one = reverse("api-camera-detail", args=[made.json()["id"]])
    assert Client().patch(one, {"enabled": False}, **auth).status_code == 200
    assert Client().patch(one, {"name": ""}, **auth).status_code == 400
    assert Client().delete(one, **auth).status_code == 204
    assert [(action, detail) for action, _, detail in logged_actions()] == [
        ("add camera", "Pushed by a browser or device"),
        ("change camera", "enabled: yes → no"),
        ("remove camera", ""),
    ]
    assert set(AuditEntry.objects.values_list("who", "via")) == {("admin", "token “Sign-in”")}


@pytest.mark.postgres
def test_api_logs_keys_links_and_tokens(camera: Camera, admin: User) -> None:
    _, text = Token.objects.create(
        user=admin, organization=camera.organization, scopes=["read", "publish", "admin"]
    )
    auth: Any = {"content_type": "application/json", "HTTP_AUTHORIZATION": f"Bearer {text}"}
    body = {"camera": str(camera.pk), "name": "TV"}
    for name in ("stream-keys", "share-links"):
        made = Client().post(f"/api/v1/{name}", body, **auth)
        assert made.status_code == 201, made.content
        assert Client().delete(f"/api/v1/{name}/{made.json()['id']}", **auth).status_code == 204
    made = Client().post("/api/v1/tokens", {"name": "Script", "scopes": ["read"]}, **auth)
    assert made.status_code == 201, made.content
    assert Client().delete(f"/api/v1/tokens/{made.json()['id']}", **auth).status_code == 204
    assert [(action, subject) for action, subject, _ in logged_actions()] == [
        ("make stream key", "TV"),
        ("revoke stream key", "TV"),
        ("make share link", "TV"),
        ("revoke share link", "TV"),
        ("make token", "Script"),
        ("revoke token", "Script"),
    ]
    assert text not in str(logged_actions())


@pytest.mark.postgres
def test_member_and_settings_changes_are_logged(
    club: Organization, admin: User, viewer: User
) -> None:
    client = client_of(admin)
    member = Membership.objects.get(user=viewer)
    form = {"name": "Club", "time_zone": "Asia/Tokyo", "audit_days": "400"}
    client.post(reverse("organization", args=["club"]), form)
    client.post(reverse("member-change", args=["club", member.pk]), {"role": "operator"})
    client.post(reverse("member-remove", args=["club", member.pk]))
    assert logged_actions() == [
        (
            "change organization", "Club",
            "time zone: Europe/Berlin → Asia/Tokyo; days that the audit log is kept: 365 → 400",
        ),
        ("change role", "viewer", "viewer → operator"),
        ("remove member", "viewer", ""),
    ]  # fmt: skip


def test_stream_keys_are_logged(camera: Camera, operator: User) -> None:
    client = client_of(operator)
    client.post(reverse("streamkey-add", args=[camera.pk]), {"name": "TV", "days": "7"})
    key = StreamKey.objects.get()
    client.post(reverse("streamkey-revoke", args=[camera.pk, key.pk]))
    made, revoked = logged_actions()
    assert made[:2] == ("make stream key", "TV")
    assert made[2].startswith("ends ")
    assert revoked[:2] == ("revoke stream key", "TV")


def test_assistant_settings_are_logged_without_the_key(club: Organization, admin: User) -> None:
    form = {
        "base_url": "https://models.example.org/v1", "key": "hush-hush", "model": "m",
        "system_prompt": "Be brief.", "temperature": "0.3", "max_tokens": "1024",
        "context_tokens": "8192",
    }  # fmt: skip
    client = client_of(admin)
    address = reverse("assistant", args=["club"])
    assert client.post(address, form).status_code == 302
    assert client.post(address, form | {"key": "hush-two", "max_tokens": "99"}).status_code == 302
    assert [action for action, _, _ in logged_actions()] == ["change assistant"] * 2
    assert "most tokens in an answer: 1024 → 99" in logged_actions()[1][2]
    assert "key" in logged_actions()[1][2]
    assert "hush" not in str(logged_actions())
    assert "brief" not in str(logged_actions())


def test_chat_export_is_logged(club: Organization, viewer: User) -> None:
    chat = Chat.objects.create(owner=viewer, organization=club, title="Set pieces")
    address = reverse("api-chat-export", args=[chat.pk])
    assert client_of(viewer).get(address, {"as": "json"}).status_code == 200
    assert logged_actions() == [("export chat", f"chat {chat.pk}", "json")]
