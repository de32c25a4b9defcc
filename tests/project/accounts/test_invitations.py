"""Invitations: created, shown once, accepted by one user, revoked."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from project.accounts.forms import NewPersonForm
from project.accounts.models import Invitation, Membership, Organization, User
from project.accounts.throttling.attempts import AN_INVITATION
from project.accounts.usernames import TAKEN
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db
NEW = {"username": "fresh", "password1": PASSWORD, "password2": PASSWORD}


def invite(admin: User, role: str = "operator", days: str = "7") -> str:
    """Create an invitation and return the path of its link."""
    form = {"name": "Ann", "role": role, "days": days}
    page = client_of(admin).post(reverse("invitation-add", args=["club"]), form)
    (path,) = re.findall(r"http://testserver(/invitations/[\w-]+)", page.content.decode())
    return str(path)


def roles_of(user: User) -> list[str]:
    return list(Membership.objects.filter(user=user).values_list("role", flat=True))


def test_invitation_link_is_shown_once_and_stored_as_a_digest(
    club: Organization, admin: User
) -> None:
    path = invite(admin)
    page = client_of(admin).get(reverse("organization", args=["club"])).content.decode()
    assert "Ann" in page
    assert path not in page
    invitation = Invitation.objects.get()
    assert path.rpartition("/")[2] != invitation.digest
    assert invitation.membership == admin.memberships.get()
    assert timedelta(days=6) < invitation.expires_at - timezone.now() <= timedelta(days=7)


def test_invitation_lasts_thirty_days_at_most(club: Organization, admin: User) -> None:
    form = {"name": "Ann", "role": "viewer", "days": "31"}
    response = client_of(admin).post(reverse("invitation-add", args=["club"]), form)
    assert response.status_code == 200
    assert not Invitation.objects.exists()


def test_get_of_an_invitation_changes_nothing(
    club: Organization, admin: User, outsider: User
) -> None:
    path = invite(admin)
    for client in (Client(), client_of(outsider)):
        assert "Club invites you" in client.get(path).content.decode()
        assert client.head(path).status_code == 200
    assert Invitation.objects.open().exists()
    assert Membership.objects.filter(organization=club).count() == 1


@pytest.mark.postgres
def test_invited_person_can_create_an_account(club: Organization, admin: User) -> None:
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
def test_new_account_needs_a_strong_password_and_a_free_name(
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


def test_accounts_cannot_be_created_without_an_invitation(club: Organization) -> None:
    for text in ("x", "a" * 43, "%00" * 8, "x" * 4000):
        response = Client().post(f"/invitations/{text}", NEW)
        assert response.status_code == 410
    assert not User.objects.exists()


def test_signed_in_user_can_accept_an_invitation(
    club: Organization, admin: User, outsider: User
) -> None:
    path, client = invite(admin), client_of(outsider)
    assert not Membership.objects.filter(user=outsider, organization=club).exists()
    assert client.post(path)["Location"] == reverse("wall")
    assert Membership.objects.get(user=outsider, organization=club).role == "operator"
    assert client_of(outsider).get(path).status_code == 410
    assert not Invitation.objects.open().exists()
    assert AuditEntry.objects.get(action="accept invitation").who == "outsider"


def test_invitation_page_links_to_the_sign_in(
    club: Organization, admin: User, outsider: User
) -> None:
    path, client = invite(admin), Client()
    (sign_in_url,) = re.findall(r'href="(/signin\?next=[^"]+)"', client.get(path).content.decode())
    form = {"username": "outsider", "password": PASSWORD, "next": path}
    assert client.get(sign_in_url).status_code == 200
    assert client.post(sign_in_url, form)["Location"] == path
    assert "Join Club" in client.get(path).content.decode()


@pytest.mark.postgres
def test_invitation_never_lowers_a_role(club: Organization, admin: User, viewer: User) -> None:
    lower = invite(admin, "viewer")
    for member in (admin, viewer):
        page = client_of(member).post(lower).content.decode()
        assert "stays open for whom it was meant" in page
    assert (roles_of(admin), roles_of(viewer)) == (["admin"], ["viewer"])
    assert Invitation.objects.open().count() == 1
    client_of(viewer).post(invite(admin, "operator"))
    assert roles_of(viewer) == ["operator"]


@pytest.mark.postgres
def test_invalid_invitations_get_the_same_response(
    club: Organization, admin: User, outsider: User
) -> None:
    used, revoked, late, orphaned = (invite(admin) for _ in range(4))
    client_of(outsider).post(used)
    invitations = list(Invitation.objects.order_by("created_at"))
    address = reverse("invitation-revoke", args=["club", invitations[1].pk])
    assert client_of(admin).post(address).status_code == 302
    Invitation.objects.filter(pk=invitations[2].pk).update(expires_at=timezone.now())
    Invitation.objects.filter(pk=invitations[3].pk).update(membership=None)
    pages = set()
    for number, path in enumerate((used, revoked, late, orphaned, "/invitations/unknown")):
        client = Client(REMOTE_ADDR=f"192.0.2.{number}")
        for response in (client.get(path), client.post(path, NEW)):
            assert response.status_code == 410
            text = response.content.decode()
            pages.add(re.sub(r'content="\w{64}"|nonce="[^"]+"', "", text))
    assert len(pages) == 1
    assert not User.objects.filter(username="fresh").exists()


def test_invitations_of_former_administrators_are_invalid(
    club: Organization, admin: User, viewer: User
) -> None:
    path = invite(admin, "admin")
    Membership.objects.filter(user=admin).update(role="viewer")
    assert client_of(admin).post(path).status_code == 410
    Membership.objects.filter(user=admin).update(role="admin")
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert Client().get(path).status_code == 410


def test_only_administrators_can_invite_and_revoke(
    club: Organization, admin: User, viewer: User, outsider: User
) -> None:
    invite(admin)
    (invitation,) = Invitation.objects.all()
    add = reverse("invitation-add", args=["club"])
    revoke = reverse("invitation-revoke", args=["club", invitation.pk])
    foreign = reverse("invitation-revoke", args=["other", invitation.pk])
    form = {"name": "Eve", "role": "admin", "days": "30"}
    for address in (add, revoke):
        assert client_of(viewer).post(address, form).status_code == 403
        assert client_of(outsider).post(address, form).status_code == 404
        assert client_of(admin).get(address).status_code == 405
    assert client_of(outsider).post(foreign).status_code == 404
    page = client_of(admin).get(reverse("organization", args=["club"])).content.decode()
    assert f'data-confirm="Revoke the invitation for {invitation.name}?' in page
    assert Invitation.objects.open().get() == invitation


def test_guessing_usernames_is_limited(club: Organization, admin: User) -> None:
    path, taken = invite(admin), NEW | {"username": "admin"}
    statuses = [Client().post(path, taken).status_code for _ in range(9)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_guess_at_a_username_is_counted_before_it_is_answered(
    club: Organization, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise many at once would all be answered."""
    counts: list[int] = []
    check = NewPersonForm.clean_username

    def counting(form: NewPersonForm) -> str:
        guesses = AccessAttempt.objects.filter(username__startswith=AN_INVITATION)
        counts.extend(guesses.values_list("failures_since_start", flat=True))
        return check(form)

    monkeypatch.setattr(NewPersonForm, "clean_username", counting)
    path = invite(admin)
    for username in ("admin", "fresh", "admin"):
        Client().post(path, NEW | {"username": username, "password2": "another"})
    assert counts == [1, 2, 2], "a name that is free is no failure"


@pytest.mark.postgres
def test_name_taken_meanwhile_is_reported(
    club: Organization, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = invite(admin)
    monkeypatch.setattr(NewPersonForm, "clean_username", lambda form: "admin")
    page = Client().post(path, NEW).content.decode()
    assert escape(TAKEN) in page
    assert f"/signin?next={path.replace('/', '%2F')}" in page
