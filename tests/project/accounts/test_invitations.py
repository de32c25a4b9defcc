"""Invitations: made, shown once, accepted by one person, revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from project.accounts.forms import NewPersonForm
from project.accounts.models import Invitation, Membership, Organization, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db
NEW = {"username": "fresh", "password1": PASSWORD, "password2": PASSWORD}


def invite(admin: User, role: str = "operator", days: str = "7") -> str:
    """The path of a new link."""
    form = {"name": "Ann", "role": role, "days": days}
    page = client_of(admin).post(reverse("invitation-add", args=["club"]), form)
    (path,) = re.findall(r"http://testserver(/invitations/[\w-]+)", page.content.decode())
    return str(path)


def role_of(user: User) -> list[str]:
    return list(Membership.objects.filter(user=user).values_list("role", flat=True))


def test_an_invitation_is_shown_once_and_kept_hashed(club: Organization, admin: User) -> None:
    path = invite(admin)
    page = client_of(admin).get(reverse("organization", args=["club"])).content.decode()
    assert "Ann" in page
    assert path not in page
    invitation = Invitation.objects.get()
    assert path.rpartition("/")[2] != invitation.digest
    assert invitation.created_by == admin
    assert timedelta(days=6) < invitation.expires_at - timezone.now() <= timedelta(days=7)


def test_it_lasts_thirty_days_at_most(club: Organization, admin: User) -> None:
    form = {"name": "Ann", "role": "viewer", "days": "31"}
    answer = client_of(admin).post(reverse("invitation-add", args=["club"]), form)
    assert answer.status_code == 200
    assert not Invitation.objects.exists()


def test_looking_at_it_changes_nothing(club: Organization, admin: User, outsider: User) -> None:
    path = invite(admin)
    for client in (Client(), client_of(outsider)):
        assert "Club invites you" in client.get(path).content.decode()
        assert client.head(path).status_code == 200
    assert Invitation.objects.open().exists()
    assert Membership.objects.filter(organization=club).count() == 1


@pytest.mark.postgres
def test_somebody_without_account_makes_one_and_is_in(club: Organization, admin: User) -> None:
    path, client = invite(admin), Client()
    assert client.post(path, NEW)["Location"] == reverse("wall")
    person = get_user(client)  # type: ignore[arg-type]
    assert person.get_username() == "fresh"
    assert person.check_password(PASSWORD)
    member = Membership.objects.get(user__username="fresh")
    assert (member.organization, member.role) == (club, "operator")
    entry = AuditEntry.objects.get(action="accept invitation")
    assert (entry.who, entry.organization) == ("fresh", club)
    assert entry.detail == "a new account, as operator, invited by admin for “Ann”"


@pytest.mark.postgres
def test_a_new_person_has_a_good_password_and_a_name_of_their_own(
    club: Organization, admin: User
) -> None:
    path, client = invite(admin), Client()
    weak = {"password1": "password", "password2": "password"}
    assert "too common" in client.post(path, NEW | weak).content.decode()
    like = {"username": "charlotte-b", "password1": "charlotte-b1", "password2": "charlotte-b1"}
    assert "too similar" in client.post(path, like).content.decode()
    assert "differ" in client.post(path, NEW | {"password2": "other"}).content.decode()
    assert "has this name" in client.post(path, NEW | {"username": "Admin"}).content.decode()
    assert "valid username" in client.post(path, NEW | {"username": "a b"}).content.decode()
    assert User.objects.count() == 1
    assert Invitation.objects.open().exists()


def test_nobody_registers_without_an_invitation(club: Organization) -> None:
    for text in ("x", "a" * 43, "%00" * 8, "x" * 4000):
        answer = Client().post(f"/invitations/{text}", NEW)
        assert answer.status_code == 410
    assert not User.objects.exists()


def test_somebody_with_an_account_accepts_it(
    club: Organization, admin: User, outsider: User
) -> None:
    path, client = invite(admin), client_of(outsider)
    assert not Membership.objects.filter(user=outsider, organization=club).exists()
    assert client.post(path)["Location"] == reverse("wall")
    assert Membership.objects.get(user=outsider, organization=club).role == "operator"
    assert client_of(outsider).get(path).status_code == 410
    invitation = Invitation.objects.get()
    assert (invitation.accepted_by, Invitation.objects.open().count()) == (outsider, 0)


def test_who_has_an_account_is_led_through_the_sign_in(
    club: Organization, admin: User, outsider: User
) -> None:
    path, client = invite(admin), Client()
    (onward,) = re.findall(r'href="(/signin\?next=[^"]+)"', client.get(path).content.decode())
    form = {"username": "outsider", "password": PASSWORD, "next": path}
    assert client.get(onward).status_code == 200
    assert client.post(onward, form)["Location"] == path
    assert "Join Club" in client.get(path).content.decode()


@pytest.mark.postgres
def test_nobody_is_given_less_or_two_memberships(
    club: Organization, admin: User, viewer: User
) -> None:
    lower = invite(admin, "viewer")
    for member in (admin, viewer):
        page = client_of(member).post(lower).content.decode()
        assert "stays open for whom it was meant" in page
    assert (role_of(admin), role_of(viewer)) == (["admin"], ["viewer"])
    assert Invitation.objects.open().count() == 1
    client_of(viewer).post(invite(admin, "operator"))
    assert role_of(viewer) == ["operator"]


@pytest.mark.postgres
def test_links_that_open_nothing_are_answered_alike(
    club: Organization, admin: User, outsider: User
) -> None:
    used, revoked, late, orphaned = (invite(admin) for _ in range(4))
    client_of(outsider).post(used)
    made = list(Invitation.objects.order_by("created_at"))
    address = reverse("invitation-revoke", args=["club", made[1].pk])
    assert client_of(admin).post(address).status_code == 302
    Invitation.objects.filter(pk=made[2].pk).update(expires_at=timezone.now())
    Invitation.objects.filter(pk=made[3].pk).update(created_by=None)
    pages = set()
    for number, path in enumerate((used, revoked, late, orphaned, "/invitations/unknown")):
        stranger = Client(REMOTE_ADDR=f"192.0.2.{number}")
        for answer in (stranger.get(path), stranger.post(path, NEW)):
            assert answer.status_code == 410
            text = answer.content.decode()
            pages.add(re.sub(r'content="\w{64}"|nonce="[^"]+"', "", text))
    assert len(pages) == 1
    assert not User.objects.filter(username="fresh").exists()


def test_an_administrator_who_is_none_any_more_leaves_no_door_behind(
    club: Organization, admin: User, viewer: User
) -> None:
    path = invite(admin, "admin")
    Membership.objects.filter(user=admin).update(role="viewer")
    assert client_of(admin).post(path).status_code == 410
    Membership.objects.filter(user=admin).update(role="admin")
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert Client().get(path).status_code == 410


def test_only_administrators_of_the_organization_invite_and_revoke(
    club: Organization, admin: User, viewer: User, outsider: User
) -> None:
    invite(admin)
    (one,) = Invitation.objects.all()
    add = reverse("invitation-add", args=["club"])
    over = reverse("invitation-revoke", args=["club", one.pk])
    foreign = reverse("invitation-revoke", args=["other", one.pk])
    form = {"name": "Eve", "role": "admin", "days": "30"}
    for address in (add, over):
        assert client_of(viewer).post(address, form).status_code == 403
        assert client_of(outsider).post(address, form).status_code == 404
        assert client_of(admin).get(address).status_code == 405
    assert client_of(outsider).post(foreign).status_code == 404
    said = client_of(admin).get(reverse("organization", args=["club"])).content.decode()
    assert f'data-confirm="Revoke the invitation for {one.name}?' in said
    assert Invitation.objects.open().get() == one


def test_names_cannot_be_tried_without_end(club: Organization, admin: User) -> None:
    path, taken = invite(admin), NEW | {"username": "admin"}
    statuses = [Client().post(path, taken).status_code for _ in range(9)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


@pytest.mark.postgres
def test_who_was_too_slow_for_a_name_may_still_sign_in(
    club: Organization, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = invite(admin)
    monkeypatch.setattr(NewPersonForm, "clean_username", lambda form: "admin")
    page = Client().post(path, NEW).content.decode()
    assert NewPersonForm.TAKEN in page
    assert f"/signin?next={path.replace('/', '%2F')}" in page
