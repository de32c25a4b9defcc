"""Actions in the admin are logged, too."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from cameras.models import Camera, StreamKey
from chats.models import Assistant
from project.accounts.models import Membership, Organization, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import person
from tests.project.audit.written import logged_actions

pytestmark = pytest.mark.django_db


def test_admin_changes_to_users_are_logged(staff: Client, viewer: User, club: Organization) -> None:
    address = reverse("admin:accounts_user_change", args=[viewer.pk])
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
    staff.post(reverse("admin:accounts_user_delete", args=[viewer.pk]), {"post": "yes"})
    assert logged_actions() == [
        ("change person", "viewer", "staff status: no → yes; active: yes → no"),
        ("change person", "viewer", "rights: +group Helpers, +view_chat"),
        ("set password", "viewer", "of another person"),
        ("remove person", "viewer", "in the admin"),
    ]
    assert set(AuditEntry.objects.values_list("who", flat=True)) == {"root"}


@pytest.mark.postgres
def test_admin_changes_to_members_are_logged(
    staff: Client, viewer: User, operator: User, club: Organization
) -> None:
    address = reverse("admin:accounts_organization_change", args=[club.pk])
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
    assert sorted(logged_actions()) == [
        ("add member", "new", "as viewer"),
        ("change organization", "Club", "days that the audit log is kept: 365 → 30"),
        ("change role", "operator", "operator → admin"),
        ("remove member", "viewer", ""),
    ]
    assert {entry.organization for entry in AuditEntry.objects.exclude(action="sign in")} == {club}


def test_admin_changes_to_cameras_and_keys_are_logged(staff: Client, camera: Camera) -> None:
    key = StreamKey(camera=camera, name="TV")
    key.issue()
    listing = reverse("admin:cameras_camera_changelist")
    chosen = {"_selected_action": [camera.pk]}
    staff.post(listing, {"action": "disable", **chosen})
    staff.post(listing, {"action": "disable", **chosen})
    keys = reverse("admin:cameras_streamkey_changelist")
    staff.post(keys, {"action": "revoke", "_selected_action": [key.pk]})
    staff.post(listing, {"action": "delete_selected", "post": "yes", **chosen})
    assert logged_actions() == [
        ("change camera", "Gate", "enabled: yes → no"),
        ("revoke stream key", "TV", ""),
        ("remove camera", "Gate", ""),
    ]


@pytest.mark.postgres
def test_deleted_organization_keeps_its_entries(staff: Client, club: Organization) -> None:
    staff.post(reverse("admin:accounts_organization_delete", args=[club.pk]), {"post": "yes"})
    assert not Organization.objects.filter(pk=club.pk).exists()
    entry = AuditEntry.objects.get(action="remove organization")
    assert (entry.subject, entry.organization_name, entry.organization_id) == (
        "Club", "Club", club.pk,
    )  # fmt: skip
    assert staff.get(reverse("admin:audit_auditentry_changelist")).status_code == 200


def test_deleting_an_assistant_in_the_admin_is_logged(staff: Client, club: Organization) -> None:
    assistant = Assistant.objects.create(organization=club)
    staff.post(reverse("admin:chats_assistant_delete", args=[assistant.pk]), {"post": "yes"})
    assert logged_actions() == [("change assistant", "Assistant of Club", "in the admin")]
