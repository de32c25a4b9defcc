"""Staff who may change people raise nobody, and do not touch who is above them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from cameras.models import Organization, User
from tests.cameras.pages.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db
JOINED = {"date_joined_0": "2026-03-01", "date_joined_1": "10:00:00"}
RAISED = {"is_active": "on", "is_staff": "on", "is_superuser": "on", **JOINED}


@pytest.fixture
def clerk(club: Organization) -> User:
    """May do everything to people and groups, and is no superuser."""
    user = User.objects.create_user("clerk", password=PASSWORD, is_staff=True)
    may = Permission.objects.filter(content_type__model__in=("user", "group"))
    user.user_permissions.set(may)
    return user


@pytest.fixture
def root(club: Organization) -> User:
    return User.objects.create_superuser("root", "root@example.org", password=PASSWORD)


def test_staff_does_not_raise_itself_or_others(clerk: User, viewer: User) -> None:
    group = Group.objects.create(name="Helpers")
    right = Permission.objects.get(codename="view_chat")
    for person in (clerk, viewer):
        before = (person.is_staff, set(person.get_all_permissions()))
        form = {"username": person.username, "groups": [group.pk],
                "user_permissions": [right.pk], "first_name": "Kim", **RAISED}  # fmt: skip
        address = reverse("admin:cameras_user_change", args=[person.pk])
        assert client_of(clerk).post(address, form).status_code == 302
        now = User.objects.get(pk=person.pk)
        assert now.first_name == "Kim"
        assert not now.is_superuser
        assert not now.groups.exists()
        assert (now.is_staff, now.get_all_permissions()) == before


def test_staff_gives_no_rights_to_a_group_of_its_own(clerk: User) -> None:
    group = Group.objects.create(name="Helpers")
    clerk.groups.add(group)
    right = Permission.objects.get(codename="view_chat")
    address = reverse("admin:auth_group_change", args=[group.pk])
    form = {"name": "Friends", "permissions": [right.pk]}
    assert client_of(clerk).post(address, form).status_code == 302
    group.refresh_from_db()
    assert (group.name, group.permissions.count()) == ("Friends", 0)


def attempts(root: User) -> dict[str, tuple[str, dict[str, Any]]]:
    listing = reverse("admin:cameras_user_changelist")
    chosen = {"_selected_action": [root.pk]}
    return {
        "address": (
            reverse("admin:cameras_user_change", args=[root.pk]),
            {"username": "root", "email": "clerk@example.org", **RAISED},
        ),
        "password": (
            reverse("admin:auth_user_password_change", args=[root.pk]),
            {"password1": "wing-back-9", "password2": "wing-back-9", "usable_password": "true"},
        ),
        "deletion": (reverse("admin:cameras_user_delete", args=[root.pk]), {"post": "yes"}),
        "deletions": (listing, {"action": "delete_selected", "post": "yes", **chosen}),
        "link": (listing, {"action": "make_sign_in_link", **chosen}),
        "factor": (listing, {"action": "reset_second_factor", **chosen}),
    }


@pytest.mark.parametrize("deed", ["address", "password", "deletion", "deletions", "link", "factor"])
def test_staff_does_not_touch_a_superuser(clerk: User, root: User, deed: str) -> None:
    address, form = attempts(root)[deed]
    answer = client_of(clerk).post(address, form)
    assert "/signin/" not in answer.content.decode()
    now = User.objects.get(username="root")
    assert (now.email, now.check_password(PASSWORD)) == ("root@example.org", True)


def test_a_superuser_does(root: User, clerk: User) -> None:
    other = User.objects.create_superuser("other", password=PASSWORD)
    client = client_of(other)
    for deed in ("address", "password"):
        address, form = attempts(root)[deed]
        assert client.post(address, form).status_code == 302
    root.refresh_from_db()
    assert (root.email, root.check_password("wing-back-9")) == ("clerk@example.org", True)


def test_staff_adds_people(clerk: User) -> None:
    form = {
        "username": "new",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "usable_password": "true",
    }
    page: Client = client_of(clerk)
    assert page.post(reverse("admin:cameras_user_add"), form).status_code == 302
    assert not User.objects.get(username="new").is_staff
