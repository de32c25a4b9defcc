"""Tokens over the API: shown once, no more scopes than their creator has, invalid if revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.installation import Installation
from tests.people import Person, Scenario, create_scenario


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "tokens")


def create(installation: Installation, by: Person | str, **facts: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {by}"} if isinstance(by, str) else by.bearer
    body = {"name": "A program", "scopes": ["read"]} | facts
    return httpx.post(f"{installation.url}/api/v1/tokens", json=body, headers=headers)


def status_with(installation: Installation, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{installation.url}/api/v1/cameras", headers=headers).status_code


@pytest.mark.postgres
def test_it_works(installation: Installation, scenario: Scenario) -> None:
    response = create(installation, scenario["viewer"])
    assert response.status_code == 201, response.text
    created = response.json()
    assert set(created) == {
        "id", "organization", "user", "name", "scopes", "created", "expiry", "revoked_at", "token",
    }  # fmt: skip
    assert (created["organization"], created["user"]) == (
        scenario.ours,
        scenario["viewer"].username,
    )
    assert response.headers["cache-control"] == "no-store"
    assert status_with(installation, created["token"]) == 200
    url = f"{installation.url}/api/v1/tokens/{created['id']}"
    assert created["token"] not in httpx.get(url, headers=scenario["viewer"].bearer).text
    assert httpx.delete(url, headers=scenario["viewer"].bearer).status_code == 204
    assert status_with(installation, created["token"]) == 401
    shown = httpx.get(url, headers=scenario["viewer"].bearer).json()
    assert shown["revoked_at"]


def test_token_has_no_more_scopes_than_its_creator(
    installation: Installation, scenario: Scenario
) -> None:
    assert create(installation, scenario["viewer"], scopes=["read", "publish"]).status_code == 403
    assert create(installation, scenario["reader"], scopes=["admin"]).status_code == 403
    assert create(installation, scenario["operator"], scopes=["publish"]).status_code == 201
    assert create(installation, scenario["admin"], scopes=["root"]).status_code == 400
    assert create(installation, scenario["admin"], scopes=[]).status_code == 400


@pytest.mark.postgres
def test_token_created_by_a_token_ends_with_it(
    installation: Installation, scenario: Scenario
) -> None:
    soon = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    parent = create(installation, scenario["viewer"], expiry=soon).json()
    late = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    child = create(installation, parent["token"], expiry=late).json()
    assert child["expiry"] <= parent["expiry"]
    grandchild = create(installation, child["token"]).json()
    httpx.delete(
        f"{installation.url}/api/v1/tokens/{parent['id']}", headers=scenario["viewer"].bearer
    ).raise_for_status()
    for token in (parent, child, grandchild):
        assert status_with(installation, token["token"]) == 401


def test_token_expiry_must_be_within_a_year(installation: Installation, scenario: Scenario) -> None:
    for days in (-1, 400):
        when = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        response = create(installation, scenario["viewer"], expiry=when)
        assert response.status_code == 400
        assert "expiry" in response.json()["errors"]
    assert create(installation, scenario["viewer"], expiry=None).status_code == 400


def test_administrators_can_list_and_revoke_the_tokens_of_members(
    installation: Installation, scenario: Scenario
) -> None:
    created = create(installation, scenario["operator"], name="Gate display").json()
    url = f"{installation.url}/api/v1/tokens"
    for name, is_listed in (
        ("admin", True),
        ("operator", True),
        ("viewer", False),
        ("outsider", False),
    ):
        rows = httpx.get(url, headers=scenario[name].bearer, params={"limit": 200}).json()[
            "results"
        ]
        assert (created["id"] in [row["id"] for row in rows]) is is_listed, name
    outsider = httpx.delete(f"{url}/{created['id']}", headers=scenario["outsider"].bearer)
    assert outsider.status_code == 404
    assert status_with(installation, created["token"]) == 200
    assert (
        httpx.delete(f"{url}/{created['id']}", headers=scenario["admin"].bearer).status_code == 204
    )
    assert status_with(installation, created["token"]) == 401


def test_token_cannot_revoke_one_with_more_scopes(
    installation: Installation, scenario: Scenario
) -> None:
    strong = create(installation, scenario["operator"], scopes=["read", "publish"]).json()
    weak = create(installation, scenario["operator"], scopes=["read"]).json()
    weaker = create(installation, scenario["operator"], scopes=["read"]).json()
    headers = {"Authorization": f"Bearer {weak['token']}"}
    url = f"{installation.url}/api/v1/tokens"
    assert httpx.delete(f"{url}/{strong['id']}", headers=headers).status_code == 403
    assert status_with(installation, strong["token"]) == 200
    assert httpx.delete(f"{url}/{weaker['id']}", headers=headers).status_code == 204
    assert httpx.delete(f"{url}/{weak['id']}", headers=headers).status_code == 204, (
        "a token can revoke itself"
    )


@pytest.mark.postgres
def test_user_can_have_at_most_a_hundred_tokens(
    installation: Installation, scenario: Scenario
) -> None:
    """Sign-ins do not count."""
    response = create(installation, scenario["chatter"], scopes=["chat"])
    assert response.status_code == 403, "a token without the scope read cannot create one"
    token = installation.manage(
        "shell", "-v0", "-c",
        "from project.accounts.models import *; u = User.objects.get(username='tokens-chatter')\n"
        f"facts = dict(user=u, organization_id='{scenario.ours}', scopes=['read'])\n"
        "[Token.objects.create(**facts, name='One of many') for _ in range(99)]\n"
        "print('T=' + Token.objects.create(**facts, name='The last')[1])",
    ).partition("T=")[2].strip()  # fmt: skip
    response = create(installation, token)
    assert response.status_code == 400
    assert "100" in response.text
