"""`POST /api/v1/auth/login`: the second factor and the lockout."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from project.accounts.models import Membership, Organization, Role, SecondFactor, User
from tests.cameras.views.rows import PASSWORD
from tests.project.accounts.codes import Clock, code, enrol

pytestmark = pytest.mark.django_db


def login(**fields: str) -> Any:
    form = {"username": "viewer", "password": PASSWORD} | fields
    return Client().post(reverse("api-login"), form, content_type="application/json")


def test_login_without_a_second_factor_needs_no_code(viewer: User) -> None:
    assert set(login().json()) == {"token", "expiry", "organization"}
    assert login(code="").status_code == 200
    assert login(code="123456").status_code == 200


def test_login_with_a_second_factor_needs_a_code(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    refused = login()
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["second_factor"] == "required"
    assert "second factor" in refused.json()["detail"]
    assert login(code="000000").json()["second_factor"] == "wrong"
    assert login(password="no", code="000000").json().get("second_factor") is None
    now = code(enrolled.secret, at=clock.now)
    assert login(code=now).json()["token"]
    assert login(code=now).json()["second_factor"] == "wrong"
    assert login(code=enrolled.recovery[0]).json()["token"]


@pytest.mark.postgres
def test_code_is_not_used_up_if_the_organization_is_missing(viewer: User, clock: Clock) -> None:
    enrolled = enrol(viewer, clock)
    other = Organization.objects.create(name="Other", slug="other")
    Membership.objects.create(user=viewer, organization=other, role=Role.VIEWER)
    wrong = login(code="000000", organization="nowhere")
    assert (wrong.status_code, "other" in wrong.content.decode()) == (401, False)
    assert SecondFactor.objects.get().failures == 1, "the wrong code was counted"
    for right in (code(enrolled.secret, at=clock.now), enrolled.recovery[0]):
        refused = login(code=right)
        assert (refused.status_code, "club, other" in refused.content.decode()) == (400, True)
        assert login(code=right, organization="other").status_code == 200
        assert login(code=right, organization="other").json()["second_factor"] == "wrong"


def test_too_many_wrong_codes_get_a_problem_with_retry_after(viewer: User, clock: Clock) -> None:
    enrol(viewer, clock)
    answers = [login(code="000000") for _ in range(7)]
    assert [one.status_code for one in answers] == [401] * 5 + [429] * 2
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert 0 < int(answers[-1]["Retry-After"]) <= 60
    SecondFactor.objects.update(paused_until=None)


@pytest.mark.postgres
def test_too_many_wrong_passwords_get_a_problem_with_retry_after(viewer: User) -> None:
    answers = [login(password="wrong") for _ in range(9)]
    assert [one.status_code for one in answers] == [401] * 7 + [429] * 2
    assert answers[-1]["Content-Type"] == "application/problem+json"
    assert answers[-1]["Retry-After"] == "600"
    assert login().status_code == 429  # the right password, too


def test_success_clears_earlier_failures(viewer: User, club: Organization) -> None:
    for _ in range(3):
        for _ in range(5):
            login(password="wrong")
        assert login().status_code == 200
