"""Passwords are hashed outside transactions, and saved together with the end of sign-ins."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.urls import reverse

from project import installation
from project.accounts.models import Invitation, Membership, Organization, SignInLink, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db
NEW = "wing-back-9-again"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return for each hashed password whether a transaction was open besides the test's own."""
    in_transaction: list[bool] = []
    outer = len(connection.savepoint_ids)
    original = MD5PasswordHasher.encode

    def encode(self: Any, password: str, salt: str) -> str:
        in_transaction.append(len(connection.savepoint_ids) > outer)
        return original(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", encode)
    return in_transaction


@pytest.fixture
def root(club: Organization) -> Client:
    return client_of(User.objects.create_superuser("root", password=PASSWORD))


def test_own_password_is_hashed_outside_transactions(viewer: User, hashed: list[bool]) -> None:
    client = client_of(viewer)
    hashed.clear()
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert client.post(reverse("password"), form).status_code == 302
    assert hashed
    assert not any(hashed)
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)


@pytest.mark.postgres
def test_password_of_a_new_account_is_hashed_outside_transactions(
    club: Organization, admin: User, hashed: list[bool]
) -> None:
    invitation = Invitation(organization=club, membership=admin.memberships.get())
    path = reverse("invitation", args=[invitation.issue()])
    hashed.clear()
    form = {"username": "fresh", "password1": NEW, "password2": NEW}
    assert Client().post(path, form).status_code == 302
    assert hashed
    assert not any(hashed)


@pytest.mark.postgres
def test_password_set_in_the_admin_is_hashed_outside_transactions(
    root: Client, viewer: User, hashed: list[bool]
) -> None:
    viewer_client = client_of(viewer)
    SignInLink(user=viewer).issue()
    hashed.clear()
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    address = reverse("admin:auth_user_password_change", args=[viewer.pk])
    assert root.post(address, form).status_code == 302
    assert hashed
    assert not any(hashed)
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)
    assert not SignInLink.objects.exists()
    assert viewer_client.get(reverse("wall")).status_code == 302
    assert AuditEntry.objects.get(action="set password").detail == "of another person"


def test_own_password_set_in_the_admin_keeps_this_session(root: Client) -> None:
    own = User.objects.get(username="root")
    other = client_of(own)
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    root.post(reverse("admin:auth_user_password_change", args=[own.pk]), form)
    assert root.get(reverse("admin:index")).status_code == 200
    assert other.get(reverse("admin:index")).status_code == 302


@pytest.mark.postgres
def test_password_is_not_set_if_the_audit_entry_fails(
    root: Client, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("project.accounts.admin.users.log_account_action", full)
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    with pytest.raises(OSError, match="full"):
        root.post(reverse("admin:auth_user_password_change", args=[viewer.pk]), form)
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


@pytest.mark.parametrize("usable", ["true", "false"])
def test_password_of_a_user_added_in_the_admin_is_hashed_outside_transactions(
    root: Client, hashed: list[bool], usable: str
) -> None:
    form = {"username": "fresh", "password1": NEW, "password2": NEW, "usable_password": usable}
    hashed.clear()
    assert root.post(reverse("admin:accounts_user_add"), form).status_code == 302
    assert hashed
    assert not any(hashed)
    fresh = User.objects.get(username="fresh")
    assert fresh.check_password(NEW) is fresh.has_usable_password() is (usable == "true")


def test_password_of_the_settings_is_hashed_outside_transactions(
    settings: Any, club: Organization, hashed: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_is_static_outdated", lambda: False)
    settings.ADMIN_USERNAME, settings.ADMIN_PASSWORD = "boss", NEW
    installation.prepare()
    assert hashed
    assert not any(hashed)
    boss = User.objects.get(username="boss")
    assert (boss.is_superuser, boss.check_password(NEW)) == (True, True)
    assert not Membership.objects.filter(user=boss).exists()
