"""Staff who may change users cannot raise permissions or change accounts of other staff."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from pyotp import random_base32

from project.accounts.models import Organization, SecondFactor, SignInLink, User
from tests.cameras.views.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db
JOINED = {"date_joined_0": "2026-03-01", "date_joined_1": "10:00:00"}
RAISED = {"is_active": "on", "is_staff": "on", "is_superuser": "on", **JOINED}


@pytest.fixture
def clerk(club: Organization) -> User:
    """Staff with all permissions on users and groups, not a superuser."""
    user = User.objects.create_user("clerk", password=PASSWORD, is_staff=True)
    permissions = Permission.objects.filter(content_type__model__in=("user", "group"))
    user.user_permissions.set(permissions)
    return user


@pytest.fixture
def root(club: Organization) -> User:
    return User.objects.create_superuser("root", "root@example.org", password=PASSWORD)


@pytest.fixture
def colleague(club: Organization) -> User:
    """Other staff, with other permissions."""
    user = User.objects.create_user(
        "colleague", "colleague@example.org", password=PASSWORD, is_staff=True
    )
    user.user_permissions.set(Permission.objects.filter(content_type__model="auditentry"))
    return user


@pytest.mark.postgres
def test_staff_cannot_raise_permissions(clerk: User, viewer: User) -> None:
    group = Group.objects.create(name="Helpers")
    permission = Permission.objects.get(codename="view_chat")
    form = {"username": "viewer", "groups": [group.pk], "user_permissions": [permission.pk],
            "first_name": "Kim", **RAISED}  # fmt: skip
    address = reverse("admin:accounts_user_change", args=[viewer.pk])
    assert client_of(clerk).post(address, form).status_code == 302
    current = User.objects.get(pk=viewer.pk)
    assert (current.first_name, current.is_staff, current.is_superuser) == ("Kim", False, False)
    assert not current.groups.exists()
    assert not current.get_all_permissions()


@pytest.mark.postgres
def test_staff_cannot_give_permissions_to_a_group(clerk: User) -> None:
    group = Group.objects.create(name="Helpers")
    clerk.groups.add(group)
    permission = Permission.objects.get(codename="view_chat")
    address = reverse("admin:auth_group_change", args=[group.pk])
    form = {"name": "Friends", "permissions": [permission.pk]}
    assert client_of(clerk).post(address, form).status_code == 302
    group.refresh_from_db()
    assert (group.name, group.permissions.count()) == ("Friends", 0)


def requests_for(person: User) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return URL and form of each action on the account."""
    listing = reverse("admin:accounts_user_changelist")
    chosen = {"_selected_action": [person.pk]}
    return {
        "address": (
            reverse("admin:accounts_user_change", args=[person.pk]),
            {
                "username": person.username,
                "email": "clerk@example.org",
                "is_active": "on",
                **JOINED,
            },
        ),
        "password": (
            reverse("admin:auth_user_password_change", args=[person.pk]),
            {"password1": "wing-back-9", "password2": "wing-back-9", "usable_password": "true"},
        ),
        "link": (listing, {"action": "make_sign_in_link", **chosen}),
        "factor": (listing, {"action": "reset_second_factor", **chosen}),
        "deletion": (reverse("admin:accounts_user_delete", args=[person.pk]), {"post": "yes"}),
        "deletions": (listing, {"action": "delete_selected", "post": "yes", **chosen}),
    }


ACTIONS = ("address", "password", "link", "deletion", "deletions")


def effects_on(person: User, *actions: str) -> dict[str, bool]:
    """Return for each action whether it had its effect on the account."""
    current = User.objects.filter(pk=person.pk).first()
    effects = {
        "address": current is not None and current.email != person.email,
        "password": current is not None and not current.check_password(PASSWORD),
        "link": SignInLink.objects.filter(user=person.pk).exists(),
        "factor": not SecondFactor.objects.filter(user=person.pk).exists(),
        "deletion": current is None,
        "deletions": current is None,
    }
    return {action: effects[action] for action in actions}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("target", ["root", "colleague", "clerk"])
def test_staff_cannot_change_staff_or_themselves(
    clerk: User, root: User, colleague: User, target: str, action: str
) -> None:
    person = {"root": root, "colleague": colleague, "clerk": clerk}[target]
    SecondFactor.turn_on(person, random_base32(), 0)
    address, form = requests_for(person)[action]
    assert client_of(clerk).post(address, form).status_code == 403
    assert not any(effects_on(person, *ACTIONS).values())


@pytest.mark.parametrize("target", ["viewer", "root", "colleague", "clerk"])
def test_staff_cannot_reset_a_second_factor(
    clerk: User, viewer: User, root: User, colleague: User, target: str
) -> None:
    """Staff can set passwords; without the second factor that would give them the account."""
    person = {"root": root, "colleague": colleague, "clerk": clerk, "viewer": viewer}[target]
    SecondFactor.turn_on(person, random_base32(), 0)
    address, form = requests_for(person)["factor"]
    client_of(clerk).post(address, form)
    assert effects_on(person, "factor") == {"factor": False}


def test_staff_can_read_other_staff_and_see_why_they_cannot_change_them(
    clerk: User, colleague: User
) -> None:
    address = reverse("admin:accounts_user_change", args=[colleague.pk])
    page = client_of(clerk).get(address).content.decode()
    assert "accounts of staff are changed by superusers alone" in page
    assert 'name="email"' not in page
    assert "colleague@example.org" in page
    assert "../password/" not in page, "the button would lead to 403"


@pytest.mark.postgres
def test_bulk_deletion_that_includes_staff_deletes_nobody(
    clerk: User, viewer: User, colleague: User
) -> None:
    address, form = requests_for(viewer)["deletions"]
    both = form | {"_selected_action": [viewer.pk, colleague.pk]}
    assert client_of(clerk).post(address, both).status_code == 403
    assert User.objects.filter(pk__in=[viewer.pk, colleague.pk]).count() == 2


@pytest.mark.postgres
@pytest.mark.parametrize("action", ACTIONS)
def test_staff_can_change_ordinary_users(clerk: User, viewer: User, action: str) -> None:
    SecondFactor.turn_on(viewer, random_base32(), 0)
    address, form = requests_for(viewer)[action]
    assert client_of(clerk).post(address, form).status_code in (200, 302)
    assert effects_on(viewer, action) == {action: True}


@pytest.mark.parametrize("action", ["link", "password"])
def test_staff_with_view_permission_cannot_change_users(
    clerk: User, viewer: User, action: str
) -> None:
    clerk.user_permissions.set(Permission.objects.filter(codename="view_user"))
    SecondFactor.turn_on(viewer, random_base32(), 0)
    address, form = requests_for(viewer)[action]
    client_of(clerk).post(address, form)
    assert not any(effects_on(viewer, *ACTIONS).values())


@pytest.mark.postgres
def test_superuser_can_change_another_superuser(root: User, clerk: User) -> None:
    other = User.objects.create_superuser("other", password=PASSWORD)
    client = client_of(other)
    SecondFactor.turn_on(root, random_base32(), 0)
    for action in (*ACTIONS[:-2], "factor", "deletion"):
        address, form = requests_for(root)[action]
        assert client.post(address, form).status_code in (200, 302)
        assert effects_on(root, action) == {action: True}


@pytest.mark.postgres
def test_staff_can_add_users(clerk: User) -> None:
    form = {
        "username": "new",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "usable_password": "true",
    }
    page: Client = client_of(clerk)
    assert page.post(reverse("admin:accounts_user_add"), form).status_code == 302
    assert not User.objects.get(username="new").is_staff


@pytest.mark.parametrize("field", ["is_staff", "is_superuser"])
def test_sign_in_link_by_staff_ends_when_its_user_becomes_staff(
    clerk: User, root: User, viewer: User, field: str
) -> None:
    links = {maker: SignInLink(user=viewer, made_by=maker) for maker in (clerk, None, root)}
    for maker, link in links.items():
        link.issue()
        assert link.is_open
        User.objects.filter(pk=viewer.pk).update(**{field: True})
        assert link.is_open == (maker != clerk)
        assert link.claim() == (maker != clerk)
        User.objects.filter(pk=viewer.pk).update(**{field: False})
