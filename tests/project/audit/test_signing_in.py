"""Entries for sign-ins, sign-outs and failures: who, by which credential, from where."""

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


def test_signing_in_and_out_is_logged(viewer: User, club: Organization) -> None:
    client = Client()
    sign_in(client, "viewer", REMOTE_ADDR="192.0.2.9")
    client.post(reverse("signout"))
    signed_in, signed_out = AuditEntry.objects.order_by("pk")
    assert (signed_in.action, signed_in.who, signed_in.via, signed_in.address) == (
        "sign in", "viewer", "session", "192.0.2.9",
    )  # fmt: skip
    assert (signed_in.detail, signed_in.organization, signed_in.user) == (
        "by password",
        club,
        viewer,
    )
    assert (signed_out.action, signed_out.who) == ("sign out", "viewer")


def test_sign_in_by_link_is_logged_and_admin_has_no_sign_in(root: User, viewer: User) -> None:
    form = {"username": "root", "password": PASSWORD}
    assert Client().post(reverse("admin:login"), form)["Location"] == "/signin?next=%2Fadmin%2F"
    Client().post(reverse("signin-link", args=[SignInLink(user=viewer).issue()]))
    assert list(AuditEntry.objects.order_by("pk").values_list("who", "detail")) == [
        ("viewer", "by a sign-in link"),
    ]


def test_failed_sign_in_is_logged_with_the_name(viewer: User, club: Organization) -> None:
    sign_in(Client(), "viewer", "wrong", REMOTE_ADDR="192.0.2.9")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.who, entry.user) == ("fail to sign in", "viewer", None)
    assert (entry.address, entry.organization) == ("192.0.2.9", club)
    assert "wrong" not in str(vars(entry).values())


def test_suspended_user_fails_to_sign_in(viewer: User) -> None:
    User.objects.update(is_active=False)
    sign_in(Client(), "viewer")
    assert AuditEntry.objects.get().action == "fail to sign in"


@pytest.mark.postgres
def test_logged_name_is_one_short_line() -> None:
    sign_in(Client(), "a\nroot: sign in\u202e" + "x" * 120, "wrong")
    who = AuditEntry.objects.get().who
    assert len(who) <= 150
    assert who.isprintable()


@pytest.mark.postgres
def test_api_login_handles_text_that_no_database_accepts(club: Organization) -> None:
    body = '{"username": "a\\u0000\\ud800", "password": "x"}'
    answer = Client().post(reverse("api-login"), body, content_type="application/json")
    assert answer.status_code in (400, 401)


@pytest.mark.postgres
def test_lockout_is_logged_once(viewer: User, settings: Any) -> None:
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(5):
        sign_in(Client(), "viewer", "wrong")
    assert [action for action, _, _ in logged_actions()] == [
        *["fail to sign in"] * 3, "be locked out", "fail to sign in",
    ]  # fmt: skip
    last_detail = logged_actions()[-1][2]
    assert (
        last_detail == "by password, while locked out; further tries until it ends are not listed"
    )


def test_present_passwords_tried_while_locked_out_are_logged_once(viewer: User) -> None:
    """Also where the view itself asks whether the limit is reached."""
    client = client_of(viewer)
    form = {"old_password": "no", "new_password1": "wing-back-9", "new_password2": "wing-back-9"}
    statuses = [client.post(reverse("password"), form).status_code for _ in range(11)]
    assert statuses[7:] == [429] * 4
    assert [action for action, _, _ in logged_actions()] == [
        *["fail to sign in"] * 8, "be locked out", "fail to sign in",
    ]  # fmt: skip
    assert logged_actions()[-1][2].startswith("as the present password, while locked out;")


def test_used_sign_in_link_is_a_failed_sign_in(viewer: User) -> None:
    address = reverse("signin-link", args=[SignInLink(user=viewer).issue()])
    Client().post(address)
    for _ in range(3):
        Client().post(address)
    assert logged_actions() == [
        ("fail to sign in", "a sign-in link", "by a sign-in link that is over"),
    ]


def test_api_login_and_logout_are_logged(viewer: User, club: Organization) -> None:
    form = {"username": "viewer", "password": PASSWORD}
    answer = Client().post(reverse("api-login"), form, content_type="application/json").json()
    Client().post(reverse("api-login"), form | {"password": "no"}, content_type="application/json")
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {answer['token']}"}
    assert Client().post(reverse("api-logout"), **bearer).status_code == 204
    signed_in, failed, signed_out = AuditEntry.objects.order_by("pk")
    assert (signed_in.action, signed_in.who, signed_in.via) == (
        "sign in",
        "viewer",
        "token “Sign-in”",
    )
    assert (failed.action, failed.who) == ("fail to sign in", "viewer")
    assert (signed_out.action, signed_out.who, signed_out.via) == (
        "sign out",
        "viewer",
        "token “Sign-in”",
    )
    assert {signed_in.organization, failed.organization, signed_out.organization} == {club}


def test_new_password_is_logged(viewer: User) -> None:
    form = {
        "old_password": PASSWORD,
        "new_password1": "wing-back-9",
        "new_password2": "wing-back-9",
    }
    assert client_of(viewer).post(reverse("password"), form).status_code == 302
    assert logged_actions() == [("set password", "viewer", "")]
