"""Too long names and passwords are counted as failures, and never hashed."""

from __future__ import annotations

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import BasePasswordHasher, PBKDF2PasswordHasher
from django.test import Client, RequestFactory
from django.urls import reverse

from project.accounts.forms import PASSWORD_MOST
from project.accounts.models import User
from project.accounts.throttling.attempts import NAME_MOST, NOWHERE, is_refused, record_failure
from tests.cameras.views.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db
LIMIT = 8
GROWS = "\ufdfa" * NAME_MOST  # each becomes 18 characters in NFKC


class NoHash(PBKDF2PasswordHasher):
    def encode(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the password was hashed")


@pytest.fixture
def unhashed(settings: Any) -> type[BasePasswordHasher]:
    settings.PASSWORD_HASHERS = [f"{__name__}.NoHash"]
    return NoHash


@pytest.mark.postgres
@pytest.mark.usefixtures("unhashed")
@pytest.mark.parametrize("name", ["x" * (NAME_MOST + 1), "x" * 900_000, GROWS])
def test_too_long_name_is_counted_and_not_hashed(name: str) -> None:
    form = {"username": name, "password": "wrong"}
    responses = [Client().post(reverse("signin"), form) for _ in range(LIMIT + 1)]
    assert [response.status_code for response in responses] == [200] * (LIMIT - 1) + [429] * 2
    assert responses[0].context["form"].non_field_errors()
    stored = AccessAttempt.objects.exclude(ip_address=NOWHERE).values_list("username", flat=True)
    assert max(map(len, stored)) <= NAME_MOST


def test_too_long_password_is_counted_and_not_hashed(viewer: User, monkeypatch: Any) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the password was checked")

    monkeypatch.setattr(User, "check_password", refuse)
    form = {"username": "viewer", "password": "x" * (PASSWORD_MOST + 1)}
    response = Client().post(reverse("signin"), form)
    assert response.status_code == 200
    assert response.context["form"].non_field_errors()
    assert AccessAttempt.objects.get(username="viewer").failures_since_start == 1


def test_too_long_password_cannot_be_set(viewer: User) -> None:
    long = "goal-" * (PASSWORD_MOST // 5 + 1)
    form = {"old_password": PASSWORD, "new_password1": long, "new_password2": long}
    assert client_of(viewer).post(reverse("password"), form).status_code == 200
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


@pytest.mark.postgres
@pytest.mark.parametrize("address", ["192.0.2.1", ""])
def test_stored_names_have_a_maximum_length(address: str) -> None:
    """Also without a client address, as with a Unix socket."""
    request = RequestFactory(REMOTE_ADDR=address).post("/")
    for name in ("y" * 900_000, "z" * 256):
        assert not is_refused(request, name)
        record_failure(request, name)
    row = AccessAttempt.objects.exclude(ip_address=NOWHERE).get()
    assert (len(row.username) <= NAME_MOST, row.failures_since_start) == (True, 2)
