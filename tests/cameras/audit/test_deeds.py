"""Whatever is done leaves one entry that says who, by what, from where, to what."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from cameras.audit import Action, stills
from cameras.audit.askers import Asker
from cameras.models import (
    AuditEntry,
    Camera,
    CameraStill,
    Membership,
    Organization,
    SignInLink,
    StreamKey,
    Token,
    User,
    Viewing,
)
from chats.models import Assistant, Chat
from tests.cameras.pages.rows import PASSWORD, client_of, fields, person

pytestmark = pytest.mark.django_db


def deeds(**of: Any) -> list[tuple[str, str, str]]:
    """Action, subject and detail of all entries but successful sign-ins."""
    entries = AuditEntry.objects.filter(**of).exclude(action=Action.SIGN_IN).order_by("pk")
    return list(entries.values_list("action", "subject", "detail"))


def sign_in(client: Client, name: str, password: str = PASSWORD, **more: Any) -> Any:
    form = {"username": name, "password": password}
    return client.post(reverse("signin"), form, **more)


# --- doors --------------------------------------------------------------------------------------


def test_signing_in_and_out_is_written_down(viewer: User, club: Organization) -> None:
    client = Client()
    sign_in(client, "viewer", REMOTE_ADDR="192.0.2.9")
    client.post(reverse("signout"))
    came, went = AuditEntry.objects.order_by("pk")
    assert (came.action, came.who, came.via, came.address) == (
        "sign in", "viewer", "session", "192.0.2.9",
    )  # fmt: skip
    assert (came.detail, came.organization, came.user) == ("by password", club, viewer)
    assert (went.action, went.who) == ("sign out", "viewer")


def test_a_link_is_a_door_too_and_the_admin_has_none_of_its_own(root: User, viewer: User) -> None:
    form = {"username": "root", "password": PASSWORD}
    assert Client().post(reverse("admin:login"), form)["Location"] == "/signin?next=%2Fadmin%2F"
    Client().post(reverse("signin-link", args=[SignInLink.issue(viewer)]))
    assert list(AuditEntry.objects.order_by("pk").values_list("who", "detail")) == [
        ("viewer", "by a sign-in link"),
    ]


def test_a_failed_sign_in_says_which_name_was_tried(viewer: User, club: Organization) -> None:
    sign_in(Client(), "viewer", "wrong", REMOTE_ADDR="192.0.2.9")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.who, entry.user) == ("fail to sign in", "viewer", None)
    assert (entry.address, entry.organization) == ("192.0.2.9", club)
    assert "wrong" not in str(vars(entry).values())


def test_a_suspended_person_fails_to_sign_in(viewer: User) -> None:
    User.objects.update(is_active=False)
    sign_in(Client(), "viewer")
    assert AuditEntry.objects.get().action == "fail to sign in"


def test_a_name_that_was_tried_is_one_short_line() -> None:
    sign_in(Client(), "a\nroot: sign in\u202e" + "x" * 120, "wrong")
    who = AuditEntry.objects.get().who
    assert len(who) <= 150
    assert who.isprintable()


def test_the_api_cannot_be_made_to_fail_by_what_no_database_takes(club: Organization) -> None:
    body = '{"username": "a\\u0000\\ud800", "password": "x"}'
    answer = Client().post(reverse("api-login"), body, content_type="application/json")
    assert answer.status_code in (400, 401)


def test_a_lock_out_is_written_down_once(viewer: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(5):
        sign_in(Client(), "viewer", "wrong")
    assert [action for action, _, _ in deeds()] == [
        *["fail to sign in"] * 3, "be locked out", "fail to sign in",
    ]  # fmt: skip
    said = [detail for *_, detail in deeds()][-1]
    assert said == "by password, while locked out; further tries until it ends are not listed"


def test_a_used_sign_in_link_is_a_failed_sign_in(viewer: User) -> None:
    address = reverse("signin-link", args=[SignInLink.issue(viewer)])
    Client().post(address)
    for _ in range(3):
        Client().post(address)
    assert deeds() == [
        ("fail to sign in", "a sign-in link", "by a sign-in link that is over"),
    ]


def test_the_apis_login_and_logout_are_written_down(viewer: User, club: Organization) -> None:
    form = {"username": "viewer", "password": PASSWORD}
    answer = Client().post(reverse("api-login"), form, content_type="application/json").json()
    Client().post(reverse("api-login"), form | {"password": "no"}, content_type="application/json")
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {answer['token']}"}
    assert Client().post(reverse("api-logout"), **bearer).status_code == 204
    came, failed, went = AuditEntry.objects.order_by("pk")
    assert (came.action, came.who, came.via) == ("sign in", "viewer", "token “Sign-in”")
    assert (failed.action, failed.who) == ("fail to sign in", "viewer")
    assert (went.action, went.who, went.via) == ("sign out", "viewer", "token “Sign-in”")
    assert {came.organization, failed.organization, went.organization} == {club}


def test_a_new_password_is_written_down(viewer: User) -> None:
    form = {
        "old_password": PASSWORD,
        "new_password1": "wing-back-9",
        "new_password2": "wing-back-9",
    }
    assert client_of(viewer).post(reverse("password"), form).status_code == 302
    assert deeds() == [("set password", "viewer", "")]


# --- an organization's own pages ---------------------------------------------------------------


def test_a_camera_s_life_is_written_down_without_a_password(
    club: Organization, admin: User
) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get()
    edit = reverse("camera-edit", args=[camera.pk])
    kept = camera.shown_source
    client.post(edit, fields(source=kept, name="West goal", fps="12"))
    client.post(edit, fields(source="rtsp://u:hush@192.0.2.8/b", name="West goal", fps="12"))
    client.post(edit, fields(source="rtsp://u:other@192.0.2.8/b", name="West goal", fps="12"))
    client.post(reverse("camera-delete", args=[camera.pk]))
    said = deeds()
    assert [(action, subject) for action, subject, _ in said] == [
        ("add camera", "Goal"),
        ("change camera", "West goal"),
        ("change source", "West goal"),
        ("change source", "West goal"),
        ("remove camera", "West goal"),
    ]
    assert said[1][2] == "name: Goal → West goal; frames per second: 10 → 12"
    assert "192.0.2.7/a → " in said[2][2]
    assert "192.0.2.8/b, another password" in said[3][2]
    assert not any(secret in str(said) for secret in ("secret", "hush", "other@"))
    assert set(AuditEntry.objects.values_list("camera_id", flat=True)[:5]) == {camera.pk}
    assert {entry.organization for entry in AuditEntry.objects.all()} == {club}


def test_what_was_not_changed_is_not_written_down(club: Organization, admin: User) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get()
    client.post(reverse("camera-edit", args=[camera.pk]), fields(source=camera.shown_source))
    assert [action for action, _, _ in deeds()] == ["add camera"]


def test_the_api_writes_down_what_it_does_to_cameras(club: Organization, admin: User) -> None:
    _, text = Token.objects.create(user=admin, organization=club, scopes=["read", "admin"])
    how: Any = {"content_type": "application/json", "HTTP_AUTHORIZATION": f"Bearer {text}"}
    facts = {"organization": str(club.pk), "name": "Gate", "kind": "push"}
    made = Client().post(reverse("api-cameras"), facts, **how)
    assert made.status_code == 201, made.content
    one = reverse("api-camera-detail", args=[made.json()["id"]])
    assert Client().patch(one, {"enabled": False}, **how).status_code == 200
    assert Client().patch(one, {"name": ""}, **how).status_code == 400
    assert Client().delete(one, **how).status_code == 204
    assert [(action, detail) for action, _, detail in deeds()] == [
        ("add camera", "Pushed by a browser or device"),
        ("change camera", "enabled: yes → no"),
        ("remove camera", ""),
    ]
    assert set(AuditEntry.objects.values_list("who", "via")) == {("admin", "token “Sign-in”")}


def test_members_and_settings_are_written_down(
    club: Organization, admin: User, viewer: User
) -> None:
    client = client_of(admin)
    member = Membership.objects.get(user=viewer)
    form = {"name": "Club", "time_zone": "Asia/Tokyo", "audit_days": "400"}
    client.post(reverse("organization", args=["club"]), form)
    client.post(reverse("member-change", args=["club", member.pk]), {"role": "operator"})
    client.post(reverse("member-remove", args=["club", member.pk]))
    assert deeds() == [
        (
            "change organization", "Club",
            "time zone: Europe/Berlin → Asia/Tokyo; days that the audit log is kept: 365 → 400",
        ),
        ("change role", "viewer", "viewer → operator"),
        ("remove member", "viewer", ""),
    ]  # fmt: skip


def test_stream_keys_are_written_down(camera: Camera, operator: User) -> None:
    client = client_of(operator)
    client.post(reverse("streamkey-add", args=[camera.pk]), {"name": "TV", "days": "7"})
    key = StreamKey.objects.get()
    client.post(reverse("streamkey-revoke", args=[camera.pk, key.pk]))
    made, revoked = deeds()
    assert made[:2] == ("make stream key", "TV")
    assert made[2].startswith("ends ")
    assert revoked[:2] == ("revoke stream key", "TV")


def test_the_assistant_s_settings_are_written_down_without_the_key(
    club: Organization, admin: User
) -> None:
    form = {
        "base_url": "https://models.example.org/v1", "key": "hush-hush", "model": "m",
        "system_prompt": "Be brief.", "temperature": "0.3", "max_tokens": "1024",
        "context_tokens": "8192",
    }  # fmt: skip
    client = client_of(admin)
    address = reverse("assistant", args=["club"])
    assert client.post(address, form).status_code == 302
    assert client.post(address, form | {"key": "hush-two", "max_tokens": "99"}).status_code == 302
    assert [action for action, _, _ in deeds()] == ["change assistant"] * 2
    assert "most tokens in an answer: 1024 → 99" in deeds()[1][2]
    assert "key" in deeds()[1][2]
    assert "hush" not in str(deeds())
    assert "brief" not in str(deeds())


def test_a_chat_that_is_taken_away_is_written_down(club: Organization, viewer: User) -> None:
    chat = Chat.objects.create(owner=viewer, organization=club, title="Set pieces")
    address = reverse("api-chat-export", args=[chat.pk])
    assert client_of(viewer).get(address, {"as": "json"}).status_code == 200
    assert deeds() == [("export chat", f"chat {chat.pk}", "json")]


# --- stills ------------------------------------------------------------------------------------


def test_stills_are_one_view_however_many(camera: Camera, viewer: User, operator: User) -> None:
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at="2026-03-01T10:00Z")
    address, client = reverse("camera-still", args=[camera.pk]), client_of(viewer)
    for _ in range(5):
        assert client.get(address).status_code == 200
    client_of(operator).get(address)
    assert list(Viewing.objects.values_list("who", "action", "subject")) == [
        ("operator", "see stills", "Gate"),
        ("viewer", "see stills", "Gate"),
    ]


def test_first_stills_that_are_loaded_at_once_are_one_view(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[Camera] = []
    together = threading.Barrier(4)

    def renew(_: Asker, seen: Camera) -> None:
        threading.Event().wait(0.05)  # as a database takes its time
        renewed.append(seen)

    def load(_: int) -> None:
        together.wait(20)
        stills.saw_still({"client": ("192.0.2.1", 1)}, camera)

    monkeypatch.setattr(stills, "_renew", renew)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(4)))
    assert renewed == [camera]


# --- the admin ---------------------------------------------------------------------------------


def test_what_the_admin_does_to_people_is_written_down(
    staff: Client, viewer: User, club: Organization
) -> None:
    address = reverse("admin:cameras_user_change", args=[viewer.pk])
    joined = {"date_joined_0": "2026-03-01", "date_joined_1": "10:00:00"}
    User.objects.update(date_joined="2026-03-01T10:00Z")
    right = Permission.objects.get(codename="view_chat")
    group = Group.objects.create(name="Helpers")
    client_form = {"username": "viewer", "is_staff": "on", "user_permissions": [right.pk],
                   "groups": [group.pk], **joined}  # fmt: skip
    assert staff.post(address, client_form).status_code == 302
    staff.post(
        reverse("admin:auth_user_password_change", args=[viewer.pk]),
        {"password1": "wing-back-9", "password2": "wing-back-9", "usable_password": "true"},
    )
    staff.post(reverse("admin:cameras_user_delete", args=[viewer.pk]), {"post": "yes"})
    assert deeds() == [
        ("change person", "viewer", "staff status: no → yes; active: yes → no"),
        ("change person", "viewer", "rights: +group Helpers, +view_chat"),
        ("set password", "viewer", "of another person"),
        ("remove person", "viewer", "in the admin"),
    ]
    assert set(AuditEntry.objects.values_list("who", flat=True)) == {"root"}


def test_what_the_admin_does_to_members_is_written_down(
    staff: Client, viewer: User, operator: User, club: Organization
) -> None:
    address = reverse("admin:cameras_organization_change", args=[club.pk])
    new = person("new")
    rows = {user.username: Membership.objects.get(user=user).pk for user in (viewer, operator)}
    form = {
        "name": "Club", "slug": "club", "time_zone": "Europe/Berlin", "metadata": "{}",
        "audit_days": "30", "memberships-TOTAL_FORMS": "3", "memberships-INITIAL_FORMS": "2",
        "memberships-0-id": rows["operator"], "memberships-0-organization": club.pk,
        "memberships-0-user": operator.pk, "memberships-0-role": "admin",
        "memberships-1-id": rows["viewer"], "memberships-1-organization": club.pk,
        "memberships-1-user": viewer.pk, "memberships-1-role": "viewer",
        "memberships-1-DELETE": "on",
        "memberships-2-organization": club.pk, "memberships-2-user": new.pk,
        "memberships-2-role": "viewer",
    }  # fmt: skip
    answer = staff.post(address, form)
    assert answer.status_code == 302, answer.content
    assert sorted(deeds()) == [
        ("add member", "new", "as viewer"),
        ("change organization", "Club", "days that the audit log is kept: 365 → 30"),
        ("change role", "operator", "operator → admin"),
        ("remove member", "viewer", ""),
    ]
    assert {entry.organization for entry in AuditEntry.objects.exclude(action="sign in")} == {club}


def test_what_the_admin_does_to_cameras_and_keys_is_written_down(
    staff: Client, camera: Camera
) -> None:
    key = StreamKey(camera=camera, name="TV")
    key.issue()
    listing = reverse("admin:cameras_camera_changelist")
    chosen = {"_selected_action": [camera.pk]}
    staff.post(listing, {"action": "disable", **chosen})
    staff.post(listing, {"action": "disable", **chosen})
    keys = reverse("admin:cameras_streamkey_changelist")
    staff.post(keys, {"action": "revoke", "_selected_action": [key.pk]})
    staff.post(listing, {"action": "delete_selected", "post": "yes", **chosen})
    assert deeds() == [
        ("change camera", "Gate", "enabled: yes → no"),
        ("revoke stream key", "TV", ""),
        ("remove camera", "Gate", ""),
    ]


def test_an_organization_that_goes_leaves_its_entries(staff: Client, club: Organization) -> None:
    staff.post(reverse("admin:cameras_organization_delete", args=[club.pk]), {"post": "yes"})
    assert not Organization.objects.filter(pk=club.pk).exists()
    entry = AuditEntry.objects.get(action="remove organization")
    assert (entry.subject, entry.organization_name, entry.organization_id) == (
        "Club", "Club", club.pk,
    )  # fmt: skip
    assert staff.get(reverse("admin:cameras_auditentry_changelist")).status_code == 200


def test_the_admin_s_assistant_form_is_no_way_around(staff: Client, club: Organization) -> None:
    of = Assistant.objects.create(organization=club)
    staff.post(reverse("admin:chats_assistant_delete", args=[of.pk]), {"post": "yes"})
    assert deeds() == [("change assistant", "Assistant of Club", "in the admin")]


def test_the_api_writes_down_the_passes_that_it_makes(camera: Camera, admin: User) -> None:
    _, text = Token.objects.create(
        user=admin, organization=camera.organization, scopes=["read", "publish", "admin"]
    )
    how: Any = {"content_type": "application/json", "HTTP_AUTHORIZATION": f"Bearer {text}"}
    of = {"camera": str(camera.pk), "name": "TV"}
    for name in ("stream-keys", "share-links"):
        made = Client().post(f"/api/v1/{name}", of, **how)
        assert made.status_code == 201, made.content
        assert Client().delete(f"/api/v1/{name}/{made.json()['id']}", **how).status_code == 204
    made = Client().post("/api/v1/tokens", {"name": "Script", "scopes": ["read"]}, **how)
    assert made.status_code == 201, made.content
    assert Client().delete(f"/api/v1/tokens/{made.json()['id']}", **how).status_code == 204
    assert [(action, subject) for action, subject, _ in deeds()] == [
        ("make stream key", "TV"),
        ("revoke stream key", "TV"),
        ("make share link", "TV"),
        ("revoke share link", "TV"),
        ("make token", "Script"),
        ("revoke token", "Script"),
    ]
    assert text not in str(deeds())
