"""Staff who may change organizations let nobody of the staff in, themselves least of all."""

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
    """May do everything to organizations and memberships, and is no superuser."""
    user = User.objects.create_user("clerk", password=PASSWORD, is_staff=True)
    may = Permission.objects.filter(content_type__model__in=("organization", "membership"))
    user.user_permissions.set([*may, Permission.objects.get(codename="view_user")])
    return user


@pytest.fixture
def colleague() -> User:
    """Staff, too."""
    return User.objects.create_user("colleague", password=PASSWORD, is_staff=True)


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def form_of(club: Organization, *rows: dict[str, Any]) -> dict[str, Any]:
    """The organization's page with these memberships, the stored ones first."""
    stored = sum("id" in row for row in rows)
    form = {"name": club.name, "slug": club.slug, "time_zone": "Europe/Berlin",
            "metadata": "{}", "audit_days": "365", "memberships-TOTAL_FORMS": len(rows),
            "memberships-INITIAL_FORMS": stored}  # fmt: skip
    for number, row in enumerate(rows):
        row = {"organization": club.pk, **row}
        form |= {f"memberships-{number}-{name}": value for name, value in row.items()}
    return form


def save(asker: User, club: Organization, *rows: dict[str, Any]) -> Any:
    address = reverse("admin:accounts_organization_change", args=[club.pk])
    return client_of(asker).post(address, form_of(club, *rows))


def is_refused(answer: HttpResponse) -> bool:
    return answer.status_code == 200 and "by superusers alone" in answer.content.decode()


@pytest.mark.parametrize("whose", ["clerk", "colleague", "root"])
def test_staff_lets_no_staff_in(
    clerk: User, colleague: User, root: User, club: Organization, whose: str
) -> None:
    of = {"clerk": clerk, "colleague": colleague, "root": root}[whose]
    assert is_refused(save(clerk, club, {"user": of.pk, "role": "admin"}))
    assert not Membership.objects.filter(user=of).exists()


@pytest.mark.parametrize("whose", ["clerk", "colleague", "root"])
@pytest.mark.parametrize("deed", ["role", "handed over", "removed"])
def test_staff_changes_no_membership_of_staff(
    clerk: User, colleague: User, root: User, viewer: User, club: Organization, whose: str,
    deed: str,
) -> None:  # fmt: skip
    of = {"clerk": clerk, "colleague": colleague, "root": root}[whose]
    Membership.objects.filter(user=viewer).delete()
    there = Membership.objects.create(user=of, organization=club, role=Role.VIEWER)
    changes: dict[str, dict[str, Any]] = {
        "role": {"role": "admin"}, "handed over": {"user": viewer.pk}, "removed": {"DELETE": "on"},
    }  # fmt: skip
    row = {"id": there.pk, "user": of.pk, "role": "viewer"} | changes[deed]
    assert is_refused(save(clerk, club, row))
    there = Membership.objects.get(pk=there.pk)
    assert (there.user, there.role) == (of, Role.VIEWER)


def test_staff_hands_nobody_s_membership_to_itself(
    clerk: User, admin: User, club: Organization
) -> None:
    there = Membership.objects.get(user=admin)
    answer = save(clerk, club, {"id": there.pk, "user": clerk.pk, "role": "admin"})
    assert is_refused(answer)
    why = "Memberships of staff, one’s own as well, are changed by superusers alone"
    assert why in answer.content.decode()
    assert Membership.objects.get(pk=there.pk).user == admin


def test_staff_founds_no_organization_with_itself_in_it(clerk: User) -> None:
    new = Organization(name="New", slug="new")
    form = form_of(new, {"user": clerk.pk, "role": "admin", "organization": ""})
    answer: Any = client_of(clerk).post(reverse("admin:accounts_organization_add"), form)
    assert is_refused(answer)
    assert not Organization.objects.filter(slug="new").exists()


@pytest.mark.postgres
def test_staff_lets_ordinary_people_in_and_out_beside_those_of_staff(
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
        there = Membership.objects.get(user=user)
        rows.append({"id": there.pk, "user": user.pk, "role": there.role} | change)
    answer = save(clerk, club, *rows, {"user": new.pk, "role": "viewer"})
    assert answer.status_code == 302
    assert dict(Membership.objects.values_list("user__username", "role")) == {
        "colleague": "admin", "viewer": "operator", "new": "viewer",
    }  # fmt: skip


def test_a_superuser_lets_staff_in(root: User, clerk: User, club: Organization) -> None:
    rows = ({"user": one.pk, "role": "admin"} for one in (root, clerk))
    assert save(root, club, *rows).status_code == 302
    assert Membership.objects.filter(organization=club, role=Role.ADMIN).count() == 2
