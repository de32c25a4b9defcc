"""Passwords, sign-in links and lockout."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from project.accounts.models import Organization, SignInLink, User
from tests.cameras.views.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db


def test_signing_in_and_out(viewer: User) -> None:
    client = Client()
    answer = client.post(reverse("signin"), {"username": "viewer", "password": PASSWORD})
    assert answer["Location"] == reverse("wall")
    assert client.get(reverse("signout")).status_code == 405
    client.post(reverse("signout"))
    assert client.get(reverse("wall")).status_code == 302


def test_wrong_password_error_does_not_name_the_wrong_field(viewer: User) -> None:
    answer = Client().post(reverse("signin"), {"username": "viewer", "password": "wrong"})
    assert "The username or the password is not right" in answer.content.decode()


@pytest.mark.postgres
def test_too_many_wrong_passwords_lock_the_user_out(viewer: User) -> None:
    client = Client()
    for _ in range(9):
        answer = client.post(reverse("signin"), {"username": "viewer", "password": "wrong"})
    assert answer.status_code == 429
    assert answer["Retry-After"] == "600"
    assert "Try again in 10 minutes" in answer.content.decode()


@pytest.mark.postgres
def test_opening_a_link_does_not_use_it_up(viewer: User) -> None:
    address = reverse("signin-link", args=[SignInLink(user=viewer).issue()])
    for _ in range(2):
        assert "Sign in as viewer" in Client().get(address).content.decode()
    assert Client().post(address)["Location"] == reverse("wall")
    page = Client().get(address)
    assert page.status_code == 410
    assert "manage.py signinlink" in page.content.decode()


@pytest.mark.postgres
def test_setting_a_first_password_keeps_the_session(club: Organization) -> None:
    user = User.objects.create_user("fresh")
    client = client_of(user)
    assert "You have no password yet" in client.get(reverse("wall")).content.decode()
    new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert client.post(reverse("password"), new).status_code == 302
    page = client.get(reverse("wall"))
    assert page.status_code == 200
    assert "You have no password yet" not in page.content.decode()


def test_changing_a_password_requires_the_current_one(viewer: User) -> None:
    new = {
        "old_password": "wrong",
        "new_password1": "hat-trick-77",
        "new_password2": "hat-trick-77",
    }
    answer = client_of(viewer).post(reverse("password"), new)
    assert "That is not the present password" in answer.content.decode()
