"""Tokens over the API: shown once, never stronger than who makes them, and gone when revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.installation import Installation
from tests.people import Cast, Person, assemble


@pytest.fixture(scope="module")
def cast(house: Installation) -> Cast:
    return assemble(house, "tokens")


def make(house: Installation, who: Person | str, **facts: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {who}"} if isinstance(who, str) else who.bearer
    body = {"name": "A program", "scopes": ["read"]} | facts
    return httpx.post(f"{house.url}/api/v1/tokens", json=body, headers=headers)


def opens(house: Installation, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{house.url}/api/v1/cameras", headers=headers).status_code


@pytest.mark.postgres
def test_it_works(house: Installation, cast: Cast) -> None:
    answer = make(house, cast["viewer"])
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert set(made) == {
        "id", "organization", "user", "name", "scopes", "created", "expiry", "revoked_at", "token",
    }  # fmt: skip
    assert (made["organization"], made["user"]) == (cast.ours, cast["viewer"].username)
    assert answer.headers["cache-control"] == "no-store"
    assert opens(house, made["token"]) == 200
    url = f"{house.url}/api/v1/tokens/{made['id']}"
    assert made["token"] not in httpx.get(url, headers=cast["viewer"].bearer).text
    assert httpx.delete(url, headers=cast["viewer"].bearer).status_code == 204
    assert opens(house, made["token"]) == 401
    shown = httpx.get(url, headers=cast["viewer"].bearer).json()
    assert shown["revoked_at"]


def test_token_is_never_stronger_than_who_makes_it(house: Installation, cast: Cast) -> None:
    assert make(house, cast["viewer"], scopes=["read", "publish"]).status_code == 403
    assert make(house, cast["reader"], scopes=["admin"]).status_code == 403
    assert make(house, cast["operator"], scopes=["publish"]).status_code == 201
    assert make(house, cast["admin"], scopes=["root"]).status_code == 400
    assert make(house, cast["admin"], scopes=[]).status_code == 400


@pytest.mark.postgres
def test_token_made_by_a_token_does_not_outlive_it(house: Installation, cast: Cast) -> None:
    soon = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    parent = make(house, cast["viewer"], expiry=soon).json()
    late = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    child = make(house, parent["token"], expiry=late).json()
    assert child["expiry"] <= parent["expiry"]
    grandchild = make(house, child["token"]).json()
    httpx.delete(
        f"{house.url}/api/v1/tokens/{parent['id']}", headers=cast["viewer"].bearer
    ).raise_for_status()
    for one in (parent, child, grandchild):
        assert opens(house, one["token"]) == 401


def test_token_does_not_last_for_ever(house: Installation, cast: Cast) -> None:
    for days in (-1, 400):
        when = (datetime.now(UTC) + timedelta(days=days)).isoformat()
        answer = make(house, cast["viewer"], expiry=when)
        assert answer.status_code == 400
        assert "expiry" in answer.json()["errors"]
    assert make(house, cast["viewer"], expiry=None).status_code == 400


def test_administrators_see_and_end_the_tokens_of_members(house: Installation, cast: Cast) -> None:
    made = make(house, cast["operator"], name="Gate display").json()
    url = f"{house.url}/api/v1/tokens"
    for who, sees in (("admin", True), ("operator", True), ("viewer", False), ("outsider", False)):
        found = httpx.get(url, headers=cast[who].bearer, params={"limit": 200}).json()["results"]
        assert (made["id"] in [one["id"] for one in found]) is sees, who
    outsider = httpx.delete(f"{url}/{made['id']}", headers=cast["outsider"].bearer)
    assert outsider.status_code == 404
    assert opens(house, made["token"]) == 200
    assert httpx.delete(f"{url}/{made['id']}", headers=cast["admin"].bearer).status_code == 204
    assert opens(house, made["token"]) == 401


def test_weak_token_does_not_end_a_stronger_one(house: Installation, cast: Cast) -> None:
    strong = make(house, cast["operator"], scopes=["read", "publish"]).json()
    weak = make(house, cast["operator"], scopes=["read"]).json()
    weaker = make(house, cast["operator"], scopes=["read"]).json()
    headers = {"Authorization": f"Bearer {weak['token']}"}
    url = f"{house.url}/api/v1/tokens"
    assert httpx.delete(f"{url}/{strong['id']}", headers=headers).status_code == 403
    assert opens(house, strong["token"]) == 200
    assert httpx.delete(f"{url}/{weaker['id']}", headers=headers).status_code == 204
    assert httpx.delete(f"{url}/{weak['id']}", headers=headers).status_code == 204, "itself"


@pytest.mark.postgres
def test_person_may_hold_a_hundred_tokens_and_no_more(house: Installation, cast: Cast) -> None:
    """Those of signing in are not among them."""
    answer = make(house, cast["chatter"], scopes=["chat"])
    assert answer.status_code == 403, "a token that may not read makes none"
    token = house.manage(
        "shell", "-v0", "-c",
        "from project.accounts.models import *; u = User.objects.get(username='tokens-chatter')\n"
        f"facts = dict(user=u, organization_id='{cast.ours}', scopes=['read'])\n"
        "[Token.objects.create(**facts, name='One of many') for _ in range(99)]\n"
        "print('T=' + Token.objects.create(**facts, name='The last')[1])",
    ).partition("T=")[2].strip()  # fmt: skip
    answer = make(house, token)
    assert answer.status_code == 400
    assert "100" in answer.text
