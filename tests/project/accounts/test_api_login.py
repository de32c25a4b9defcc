"""`POST /api/v1/auth/login`: the second factor, and the locks."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from project.accounts.models import Membership, Organization, Role, SecondFactor, User
from tests.cameras.views.rows import PASSWORD
from tests.project.accounts.codes import Clock, code, enrol

pytestmark = pytest.mark.django_db


def login(**more: str) -> Any:
    form = {"username": "viewer", "password": PASSWORD} | more
    return Client().post(reverse("api-login"), form, content_type="application/json")


def test_without_a_second_factor_nothing_is_different(viewer: User) -> None:
    assert set(login().json()) == {"token", "expiry", "organization"}
    assert login(code="").status_code == 200
    assert login(code="123456").status_code == 200


def test_with_one_there_is_no_token_without_the_code(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    asked = login()
    assert (asked.status_code, asked["WWW-Authenticate"]) == (401, "Bearer")
    assert asked["Content-Type"] == "application/problem+json"
    assert asked.json()["second_factor"] == "required"
    assert "second factor" in asked.json()["detail"]
    assert login(code="000000").json()["second_factor"] == "wrong"
    assert login(password="no", code="000000").json().get("second_factor") is None
    now = code(mine.secret, at=clock.now)
    assert login(code=now).json()["token"]
    assert login(code=now).json()["second_factor"] == "wrong"
    assert login(code=mine.recovery[0]).json()["token"]


@pytest.mark.postgres
def test_a_code_is_not_used_up_before_the_organization_is_known(viewer: User, clock: Clock) -> None:
    mine = enrol(viewer, clock)
    other = Organization.objects.create(name="Other", slug="other")
    Membership.objects.create(user=viewer, organization=other, role=Role.VIEWER)
    wrong = login(code="000000", organization="nowhere")
    assert (wrong.status_code, "other" in wrong.content.decode()) == (401, False)
    assert SecondFactor.objects.get().failures == 1, "the wrong one was counted"
    for right in (code(mine.secret, at=clock.now), mine.recovery[0]):
        asked = login(code=right)
        assert (asked.status_code, "club, other" in asked.content.decode()) == (400, True)
        assert login(code=right, organization="other").status_code == 200
        assert login(code=right, organization="other").json()["second_factor"] == "wrong"


def test_wrong_codes_are_answered_with_a_problem_that_says_when(viewer: User, clock: Clock) -> None:
    enrol(viewer, clock)
    answers = [login(code="000000") for _ in range(7)]
    assert [one.status_code for one in answers] == [401] * 5 + [429] * 2
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    SecondFactor.objects.update(paused_until=None)


@pytest.mark.postgres
def test_wrong_passwords_are_answered_with_a_problem_that_says_when(viewer: User) -> None:
    answers = [login(password="wrong") for _ in range(9)]
    assert [one.status_code for one in answers] == [401] * 7 + [429] * 2
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert answers[-1]["Retry-After"] == "600"
    assert login().status_code == 429  # the right one, too


def test_success_forgets_what_was_wrong_before(viewer: User, club: Organization) -> None:
    for _ in range(3):
        for _ in range(5):
            login(password="wrong")
        assert login().status_code == 200
