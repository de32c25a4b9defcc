"""Names and passwords have a length; what is longer is wrong, counted, and never hashed."""

from __future__ import annotations

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import BasePasswordHasher, PBKDF2PasswordHasher
from django.test import Client, RequestFactory
from django.urls import reverse

from project.accounts.models import User
from project.accounts.throttling.attempts import failed, is_refused
from project.accounts.throttling.tries import NAME_MOST, NOWHERE
from project.accounts.views.passwords import PASSWORD_MOST
from tests.cameras.views.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db
LIMIT = 8
GROWS = "\ufdfa" * NAME_MOST  # each becomes 18 characters where names are made one spelling


class NoHash(PBKDF2PasswordHasher):
    def encode(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("it was hashed")


@pytest.fixture
def unhashed(settings: Any) -> type[BasePasswordHasher]:
    settings.PASSWORD_HASHERS = [f"{__name__}.NoHash"]
    return NoHash


@pytest.mark.postgres
@pytest.mark.usefixtures("unhashed")
@pytest.mark.parametrize("name", ["x" * (NAME_MOST + 1), "x" * 900_000, GROWS])
def test_a_name_that_is_too_long_is_wrong_and_counted_without_a_hash(name: str) -> None:
    form = {"username": name, "password": "wrong"}
    answers = [Client().post(reverse("signin"), form) for _ in range(LIMIT + 1)]
    assert [one.status_code for one in answers] == [200] * (LIMIT - 1) + [429] * 2
    assert answers[0].context["form"].non_field_errors()
    kept = AccessAttempt.objects.exclude(ip_address=NOWHERE).values_list("username", flat=True)
    assert max(map(len, kept)) <= NAME_MOST


def test_a_password_that_is_too_long_is_too(viewer: User, monkeypatch: Any) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("it was examined")

    monkeypatch.setattr(User, "check_password", refuse)
    form = {"username": "viewer", "password": "x" * (PASSWORD_MOST + 1)}
    answer = Client().post(reverse("signin"), form)
    assert answer.status_code == 200
    assert answer.context["form"].non_field_errors()
    assert AccessAttempt.objects.get(username="viewer").failures_since_start == 1


def test_nobody_can_set_one_that_no_door_takes(viewer: User) -> None:
    long = "goal-" * (PASSWORD_MOST // 5 + 1)
    form = {"old_password": PASSWORD, "new_password1": long, "new_password2": long}
    assert client_of(viewer).post(reverse("password"), form).status_code == 200
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)


@pytest.mark.postgres
@pytest.mark.parametrize("address", ["192.0.2.1", ""])
def test_no_door_can_fill_a_row_with_a_name(address: str) -> None:
    """Not even one whose client has no address, as at a local socket."""
    request = RequestFactory(REMOTE_ADDR=address).post("/")
    for name in ("y" * 900_000, "z" * 256):
        assert not is_refused(request, name)
        failed(request, name)
    row = AccessAttempt.objects.exclude(ip_address=NOWHERE).get()
    assert (len(row.username) <= NAME_MOST, row.failures_since_start) == (True, 2)
