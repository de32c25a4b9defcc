"""Signing in and out, and failing to, leave an entry that says who, by what and from where."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from project.accounts.models import Organization, SignInLink, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import PASSWORD, client_of
from tests.project.audit.written import logged_actions

pytestmark = pytest.mark.django_db


def sign_in(client: Client, name: str, password: str = PASSWORD, **more: Any) -> Any:
    form = {"username": name, "password": password}
    return client.post(reverse("signin"), form, **more)


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


@pytest.mark.postgres
def test_a_name_that_was_tried_is_one_short_line() -> None:
    sign_in(Client(), "a\nroot: sign in\u202e" + "x" * 120, "wrong")
    who = AuditEntry.objects.get().who
    assert len(who) <= 150
    assert who.isprintable()


@pytest.mark.postgres
def test_the_api_cannot_be_made_to_fail_by_what_no_database_takes(club: Organization) -> None:
    body = '{"username": "a\\u0000\\ud800", "password": "x"}'
    answer = Client().post(reverse("api-login"), body, content_type="application/json")
    assert answer.status_code in (400, 401)


@pytest.mark.postgres
def test_a_lock_out_is_written_down_once(viewer: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(5):
        sign_in(Client(), "viewer", "wrong")
    assert [action for action, _, _ in logged_actions()] == [
        *["fail to sign in"] * 3, "be locked out", "fail to sign in",
    ]  # fmt: skip
    said = [detail for *_, detail in logged_actions()][-1]
    assert said == "by password, while locked out; further tries until it ends are not listed"


def test_a_used_sign_in_link_is_a_failed_sign_in(viewer: User) -> None:
    address = reverse("signin-link", args=[SignInLink.issue(viewer)])
    Client().post(address)
    for _ in range(3):
        Client().post(address)
    assert logged_actions() == [
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
    assert logged_actions() == [("set password", "viewer", "")]
