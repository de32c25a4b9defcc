"""Staff who may change people raise nobody, and do not touch who is above them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from project.accounts.models import Organization, SecondFactor, SignInLink, User
from project.accounts.models.second_factor import new_secret
from tests.cameras.views.rows import PASSWORD, client_of

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


@pytest.fixture
def colleague(club: Organization) -> User:
    """Staff, too, and may do something else."""
    user = User.objects.create_user(
        "colleague", "colleague@example.org", password=PASSWORD, is_staff=True
    )
    user.user_permissions.set(Permission.objects.filter(content_type__model="auditentry"))
    return user


@pytest.mark.postgres
def test_staff_raises_nobody(clerk: User, viewer: User) -> None:
    group = Group.objects.create(name="Helpers")
    right = Permission.objects.get(codename="view_chat")
    form = {"username": "viewer", "groups": [group.pk], "user_permissions": [right.pk],
            "first_name": "Kim", **RAISED}  # fmt: skip
    address = reverse("admin:accounts_user_change", args=[viewer.pk])
    assert client_of(clerk).post(address, form).status_code == 302
    now = User.objects.get(pk=viewer.pk)
    assert (now.first_name, now.is_staff, now.is_superuser) == ("Kim", False, False)
    assert not now.groups.exists()
    assert not now.get_all_permissions()


@pytest.mark.postgres
def test_staff_gives_no_rights_to_a_group_of_its_own(clerk: User) -> None:
    group = Group.objects.create(name="Helpers")
    clerk.groups.add(group)
    right = Permission.objects.get(codename="view_chat")
    address = reverse("admin:auth_group_change", args=[group.pk])
    form = {"name": "Friends", "permissions": [right.pk]}
    assert client_of(clerk).post(address, form).status_code == 302
    group.refresh_from_db()
    assert (group.name, group.permissions.count()) == ("Friends", 0)


def attempts(person: User) -> dict[str, tuple[str, dict[str, Any]]]:
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


DEEDS = ("address", "password", "link", "deletion", "deletions")


def done_to(person: User, *deeds: str) -> dict[str, bool]:
    """What came of it."""
    now = User.objects.filter(pk=person.pk).first()
    found = {
        "address": now is not None and now.email != person.email,
        "password": now is not None and not now.check_password(PASSWORD),
        "link": SignInLink.objects.filter(user=person.pk).exists(),
        "factor": not SecondFactor.objects.filter(user=person.pk).exists(),
        "deletion": now is None,
        "deletions": now is None,
    }
    return {deed: found[deed] for deed in deeds}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("above", ["root", "colleague", "clerk"])
def test_staff_does_not_touch_staff_nor_itself(
    clerk: User, root: User, colleague: User, above: str, deed: str
) -> None:
    person = {"root": root, "colleague": colleague, "clerk": clerk}[above]
    SecondFactor.turn_on(person, new_secret(), 0)
    address, form = attempts(person)[deed]
    assert client_of(clerk).post(address, form).status_code == 403
    assert not any(done_to(person, *DEEDS).values())


@pytest.mark.parametrize("whose", ["viewer", "root", "colleague", "clerk"])
def test_staff_takes_nobody_s_second_factor(
    clerk: User, viewer: User, root: User, colleague: User, whose: str
) -> None:
    """With it gone, whoever may set a password would hold the account."""
    person = {"root": root, "colleague": colleague, "clerk": clerk, "viewer": viewer}[whose]
    SecondFactor.turn_on(person, new_secret(), 0)
    address, form = attempts(person)["factor"]
    client_of(clerk).post(address, form)
    assert done_to(person, "factor") == {"factor": False}


def test_staff_reads_staff_and_is_told_why_no_more(clerk: User, colleague: User) -> None:
    address = reverse("admin:accounts_user_change", args=[colleague.pk])
    page = client_of(clerk).get(address).content.decode()
    assert "accounts of staff are changed by superusers alone" in page
    assert 'name="email"' not in page
    assert "colleague@example.org" in page
    assert "../password/" not in page, "a button that leads to a refusal"


@pytest.mark.postgres
def test_one_of_them_among_ordinary_people_and_nothing_is_done(
    clerk: User, viewer: User, colleague: User
) -> None:
    address, form = attempts(viewer)["deletions"]
    both = form | {"_selected_action": [viewer.pk, colleague.pk]}
    assert client_of(clerk).post(address, both).status_code == 403
    assert User.objects.filter(pk__in=[viewer.pk, colleague.pk]).count() == 2


@pytest.mark.postgres
@pytest.mark.parametrize("deed", DEEDS)
def test_staff_does_it_to_ordinary_people(clerk: User, viewer: User, deed: str) -> None:
    SecondFactor.turn_on(viewer, new_secret(), 0)
    address, form = attempts(viewer)[deed]
    assert client_of(clerk).post(address, form).status_code in (200, 302)
    assert done_to(viewer, deed) == {deed: True}


@pytest.mark.parametrize("deed", ["link", "password"])
def test_who_may_only_look_at_people_does_not(clerk: User, viewer: User, deed: str) -> None:
    clerk.user_permissions.set(Permission.objects.filter(codename="view_user"))
    SecondFactor.turn_on(viewer, new_secret(), 0)
    address, form = attempts(viewer)[deed]
    client_of(clerk).post(address, form)
    assert not any(done_to(viewer, *DEEDS).values())


@pytest.mark.postgres
def test_a_superuser_does(root: User, clerk: User) -> None:
    other = User.objects.create_superuser("other", password=PASSWORD)
    client = client_of(other)
    SecondFactor.turn_on(root, new_secret(), 0)
    for deed in (*DEEDS[:-2], "factor", "deletion"):
        address, form = attempts(root)[deed]
        assert client.post(address, form).status_code in (200, 302)
        assert done_to(root, deed) == {deed: True}


@pytest.mark.postgres
def test_staff_adds_people(clerk: User) -> None:
    form = {
        "username": "new",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "usable_password": "true",
    }
    page: Client = client_of(clerk)
    assert page.post(reverse("admin:accounts_user_add"), form).status_code == 302
    assert not User.objects.get(username="new").is_staff
