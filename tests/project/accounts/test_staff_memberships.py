"""Staff who may change organizations cannot change memberships of staff, including their own."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.urls import reverse

from project.accounts.models import Membership, Organization, Role, User
from tests.cameras.views.rows import PASSWORD, client_of, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk(club: Organization) -> User:
    """Staff with all permissions on organizations and memberships, not a superuser."""
    user = User.objects.create_user("clerk", password=PASSWORD, is_staff=True)
    permissions = Permission.objects.filter(content_type__model__in=("organization", "membership"))
    user.user_permissions.set([*permissions, Permission.objects.get(codename="view_user")])
    return user


@pytest.fixture
def colleague() -> User:
    """Other staff."""
    return User.objects.create_user("colleague", password=PASSWORD, is_staff=True)


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def form_of(club: Organization, *rows: dict[str, Any]) -> dict[str, Any]:
    """Return the admin form of the organization with these memberships, stored ones first."""
    stored = sum("id" in row for row in rows)
    form = {"name": club.name, "slug": club.slug, "time_zone": "Europe/Berlin",
            "metadata": "{}", "audit_days": "365", "memberships-TOTAL_FORMS": len(rows),
            "memberships-INITIAL_FORMS": stored}  # fmt: skip
    for number, row in enumerate(rows):
        row = {"organization": club.pk, **row}
        form |= {f"memberships-{number}-{name}": value for name, value in row.items()}
    return form


def save(by: User, club: Organization, *rows: dict[str, Any]) -> Any:
    address = reverse("admin:accounts_organization_change", args=[club.pk])
    return client_of(by).post(address, form_of(club, *rows))


def is_refused(response: HttpResponse) -> bool:
    return response.status_code == 200 and "by superusers alone" in response.content.decode()


@pytest.mark.parametrize("target", ["clerk", "colleague", "root"])
def test_staff_cannot_add_staff_as_members(
    clerk: User, colleague: User, root: User, club: Organization, target: str
) -> None:
    user = {"clerk": clerk, "colleague": colleague, "root": root}[target]
    assert is_refused(save(clerk, club, {"user": user.pk, "role": "admin"}))
    assert not Membership.objects.filter(user=user).exists()


@pytest.mark.parametrize("target", ["clerk", "colleague", "root"])
@pytest.mark.parametrize("action", ["role", "handed over", "removed"])
def test_staff_cannot_change_memberships_of_staff(
    clerk: User, colleague: User, root: User, viewer: User, club: Organization, target: str,
    action: str,
) -> None:  # fmt: skip
    user = {"clerk": clerk, "colleague": colleague, "root": root}[target]
    Membership.objects.filter(user=viewer).delete()
    membership = Membership.objects.create(user=user, organization=club, role=Role.VIEWER)
    changes: dict[str, dict[str, Any]] = {
        "role": {"role": "admin"}, "handed over": {"user": viewer.pk}, "removed": {"DELETE": "on"},
    }  # fmt: skip
    row = {"id": membership.pk, "user": user.pk, "role": "viewer"} | changes[action]
    assert is_refused(save(clerk, club, row))
    membership = Membership.objects.get(pk=membership.pk)
    assert (membership.user, membership.role) == (user, Role.VIEWER)


def test_staff_cannot_take_over_a_membership(clerk: User, admin: User, club: Organization) -> None:
    membership = Membership.objects.get(user=admin)
    response = save(clerk, club, {"id": membership.pk, "user": clerk.pk, "role": "admin"})
    assert is_refused(response)
    error = "Memberships of staff, one’s own as well, are changed by superusers alone"
    assert error in response.content.decode()
    assert Membership.objects.get(pk=membership.pk).user == admin


def test_staff_cannot_create_an_organization_with_themselves_as_member(clerk: User) -> None:
    new = Organization(name="New", slug="new")
    form = form_of(new, {"user": clerk.pk, "role": "admin", "organization": ""})
    response: Any = client_of(clerk).post(reverse("admin:accounts_organization_add"), form)
    assert is_refused(response)
    assert not Organization.objects.filter(slug="new").exists()


@pytest.mark.postgres
def test_staff_can_change_memberships_of_ordinary_users(
    clerk: User, colleague: User, viewer: User, club: Organization
) -> None:
    operator = person("operator", club, Role.OPERATOR)
    Membership.objects.create(user=colleague, organization=club, role=Role.ADMIN)
    new = person("new")
    rows = []
    for user, change in (
        (colleague, {}),
        (viewer, {"role": "operator"}),
        (operator, {"DELETE": 1}),
    ):
        membership = Membership.objects.get(user=user)
        rows.append({"id": membership.pk, "user": user.pk, "role": membership.role} | change)
    response = save(clerk, club, *rows, {"user": new.pk, "role": "viewer"})
    assert response.status_code == 302
    assert dict(Membership.objects.values_list("user__username", "role")) == {
        "colleague": "admin", "viewer": "operator", "new": "viewer",
    }  # fmt: skip


def test_superuser_can_add_staff_as_members(root: User, clerk: User, club: Organization) -> None:
    rows = ({"user": user.pk, "role": "admin"} for user in (root, clerk))
    assert save(root, club, *rows).status_code == 302
    assert Membership.objects.filter(organization=club, role=Role.ADMIN).count() == 2
