"""A question to the assistant makes one log entry, without its text."""

from __future__ import annotations

import uuid

import httpx
import pytest

from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.project.audit.reading import ask


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "asking")


def questions(installation: Installation, chat: str) -> list[tuple[str, str, str]]:
    rows = ask(
        installation,
        "SELECT who, via, detail FROM audit_auditentry "
        f"WHERE action = 'ask' AND subject = 'chat {chat}' ORDER BY id",
    )
    return [(row["who"], row["via"], row["detail"]) for row in rows]


@pytest.mark.parametrize(
    ("kind", "path"),
    [("send", ""), ("edit", "/{question}/edit"), ("again", "/{answer}/again"),
     ("continue", "/{answer}/continue")],
)  # fmt: skip
def test_each_kind_of_question_is_logged(
    installation: Installation, scenario: Scenario, kind: str, path: str
) -> None:
    chat, question, answer = scenario.chats[kind]
    address = f"{installation.url}/api/v1/actions/chats/{chat}/messages"
    address += path.format(question=question, answer=answer)
    response = httpx.post(
        address,
        json={"prompt": "Who stole the ball?"},
        headers=scenario["viewer"].bearer,
        timeout=30,
    )
    assert response.status_code == 200, response.text
    detail = {"send": "ask", "continue": "resume"}.get(kind, kind)
    assert questions(installation, chat) == [("asking-viewer", "token “Sign-in”", detail)]
    (row,) = ask(
        installation,
        "SELECT COUNT(*) AS n FROM audit_auditentry WHERE detail LIKE '%stole%'"
        " OR subject LIKE '%stole%'",
    )
    assert row["n"] == 0


@pytest.mark.postgres
def test_repeated_question_with_its_key_is_logged_once(
    installation: Installation, scenario: Scenario
) -> None:
    chat = scenario.chats["other"][0]
    address = f"{installation.url}/api/v1/actions/chats/{chat}/messages"
    headers = scenario["viewer"].bearer | {"Idempotency-Key": uuid.uuid4().hex}
    for _ in range(2):
        response = httpx.post(address, json={"prompt": "Hello?"}, headers=headers, timeout=30)
        assert response.status_code == 200
    assert len(questions(installation, chat)) == 1


def test_refused_question_is_not_logged(installation: Installation, scenario: Scenario) -> None:
    chat = scenario.chats["read"][0]
    address = f"{installation.url}/api/v1/actions/chats/{chat}/messages"
    for who, status in (("outsider", 404), ("operator", 404), ("reader", 403)):
        response = httpx.post(
            address, json={"prompt": "Hello?"}, headers=scenario[who].bearer, timeout=30
        )
        assert response.status_code == status
    assert questions(installation, chat) == []
