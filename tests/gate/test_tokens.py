"""Tokens over the API: shown once, never stronger than who makes them, and gone when revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.installation import Installation
from tests.people import Cast, Person, assemble


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    return assemble(installation, "tokens")


def make(installation: Installation, who: Person | str, **facts: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {who}"} if isinstance(who, str) else who.bearer
    body = {"name": "A program", "scopes": ["read"]} | facts
    return httpx.post(f"{installation.url}/api/v1/tokens", json=body, headers=headers)


def opens(installation: Installation, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{installation.url}/api/v1/cameras", headers=headers).status_code


@pytest.mark.postgres
def test_it_works(installation: Installation, cast: Cast) -> None:
    answer = make(installation, cast["viewer"])
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert set(made) == {
        "id", "organization", "user", "name", "scopes", "created", "expiry", "revoked_at", "token",
    }  # fmt: skip
    assert (made["organization"], made["user"]) == (cast.ours, cast["viewer"].username)
    assert answer.headers["cache-control"] == "no-store"
    assert opens(installation, made["token"]) == 200
    url = f"{installation.url}/api/v1/tokens/{made['id']}"
    assert made["token"] not in httpx.get(url, headers=cast["viewer"].bearer).text
    assert httpx.delete(url, headers=cast["viewer"].bearer).status_code == 204
    assert opens(installation, made["token"]) == 401
    shown = httpx.get(url, headers=cast["viewer"].bearer).json()
    assert shown["revoked_at"]


def test_token_is_never_stronger_than_who_makes_it(installation: Installation, cast: Cast) -> None:
    assert make(installation, cast["viewer"], scopes=["read", "publish"]).status_code == 403
    assert make(installation, cast["reader"], scopes=["admin"]).status_code == 403
    assert make(installation, cast["operator"], scopes=["publish"]).status_code == 201
    assert make(installation, cast["admin"], scopes=["root"]).status_code == 400
    assert make(installation, cast["admin"], scopes=[]).status_code == 400


@pytest.mark.postgres
def test_token_made_by_a_token_does_not_outlive_it(installation: Installation, cast: Cast) -> None:
    soon = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    parent = make(installation, cast["viewer"], expiry=soon).json()
    late = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    child = make(installation, parent["token"], expiry=late).json()
    assert child["expiry"] <= parent["expiry"]
    grandchild = make(installation, child["token"]).json()
    httpx.delete(
        f"{installation.url}/api/v1/tokens/{parent['id']}", headers=cast["viewer"].bearer
    ).raise_for_status()
    for one in (parent, child, grandchild):
        assert opens(installation, one["token"]) == 401


def test_token_does_not_last_for_ever(installation: Installation, cast: Cast) -> None:
    for days in (-1, 400):
        when = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        answer = make(installation, cast["viewer"], expiry=when)
        assert answer.status_code == 400
        assert "expiry" in answer.json()["errors"]
    assert make(installation, cast["viewer"], expiry=None).status_code == 400


def test_administrators_see_and_end_the_tokens_of_members(
    installation: Installation, cast: Cast
) -> None:
    made = make(installation, cast["operator"], name="Gate display").json()
    url = f"{installation.url}/api/v1/tokens"
    for who, sees in (("admin", True), ("operator", True), ("viewer", False), ("outsider", False)):
        found = httpx.get(url, headers=cast[who].bearer, params={"limit": 200}).json()["results"]
        assert (made["id"] in [one["id"] for one in found]) is sees, who
    outsider = httpx.delete(f"{url}/{made['id']}", headers=cast["outsider"].bearer)
    assert outsider.status_code == 404
    assert opens(installation, made["token"]) == 200
    assert httpx.delete(f"{url}/{made['id']}", headers=cast["admin"].bearer).status_code == 204
    assert opens(installation, made["token"]) == 401


def test_weak_token_does_not_end_a_stronger_one(installation: Installation, cast: Cast) -> None:
    strong = make(installation, cast["operator"], scopes=["read", "publish"]).json()
    weak = make(installation, cast["operator"], scopes=["read"]).json()
    weaker = make(installation, cast["operator"], scopes=["read"]).json()
    headers = {"Authorization": f"Bearer {weak['token']}"}
    url = f"{installation.url}/api/v1/tokens"
    assert httpx.delete(f"{url}/{strong['id']}", headers=headers).status_code == 403
    assert opens(installation, strong["token"]) == 200
    assert httpx.delete(f"{url}/{weaker['id']}", headers=headers).status_code == 204
    assert httpx.delete(f"{url}/{weak['id']}", headers=headers).status_code == 204, "itself"


@pytest.mark.postgres
def test_person_may_hold_a_hundred_tokens_and_no_more(
    installation: Installation, cast: Cast
) -> None:
    """Those of signing in are not among them."""
    answer = make(installation, cast["chatter"], scopes=["chat"])
    assert answer.status_code == 403, "a token that may not read makes none"
    token = installation.manage(
        "shell", "-v0", "-c",
        "from project.accounts.models import *; u = User.objects.get(username='tokens-chatter')\n"
        f"facts = dict(user=u, organization_id='{cast.ours}', scopes=['read'])\n"
        "[Token.objects.create(**facts, name='One of many') for _ in range(99)]\n"
        "print('T=' + Token.objects.create(**facts, name='The last')[1])",
    ).partition("T=")[2].strip()  # fmt: skip
    answer = make(installation, token)
    assert answer.status_code == 400
    assert "100" in answer.text
