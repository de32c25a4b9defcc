"""A question to the assistant is one entry, without its words."""

from __future__ import annotations

import uuid

import httpx
import pytest

from tests.installation import Installation
from tests.people import Cast, assemble
from tests.project.audit.reading import ask


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    return assemble(installation, "asking")


def questions(installation: Installation, chat: str) -> list[tuple[str, str, str]]:
    rows = ask(
        installation,
        "SELECT who, via, detail FROM audit_auditentry "
        f"WHERE action = 'ask' AND subject = 'chat {chat}' ORDER BY id",
    )
    return [(row["who"], row["via"], row["detail"]) for row in rows]


@pytest.mark.parametrize(
    ("doing", "path"),
    [("send", ""), ("edit", "/{question}/edit"), ("again", "/{answer}/again"),
     ("continue", "/{answer}/continue")],
)  # fmt: skip
def test_each_way_of_asking_is_an_entry(
    installation: Installation, cast: Cast, doing: str, path: str
) -> None:
    chat, question, answer = cast.chats[doing]
    address = f"{installation.url}/api/v1/actions/chats/{chat}/messages"
    address += path.format(question=question, answer=answer)
    told = httpx.post(
        address, json={"prompt": "Who stole the ball?"}, headers=cast["viewer"].bearer, timeout=30
    )
    assert told.status_code == 200, told.text
    word = {"send": "ask", "continue": "resume"}.get(doing, doing)
    assert questions(installation, chat) == [("asking-viewer", "token “Sign-in”", word)]
    (said,) = ask(
        installation,
        "SELECT COUNT(*) AS n FROM audit_auditentry WHERE detail LIKE '%stole%'"
        " OR subject LIKE '%stole%'",
    )
    assert said["n"] == 0


@pytest.mark.postgres
def test_the_same_question_again_by_its_key_is_one(installation: Installation, cast: Cast) -> None:
    chat = cast.chats["other"][0]
    address = f"{installation.url}/api/v1/actions/chats/{chat}/messages"
    headers = cast["viewer"].bearer | {"Idempotency-Key": uuid.uuid4().hex}
    for _ in range(2):
        told = httpx.post(address, json={"prompt": "Hello?"}, headers=headers, timeout=30)
        assert told.status_code == 200
    assert len(questions(installation, chat)) == 1


def test_a_question_that_is_refused_is_no_entry(installation: Installation, cast: Cast) -> None:
    chat = cast.chats["read"][0]
    address = f"{installation.url}/api/v1/actions/chats/{chat}/messages"
    for who, status in (("outsider", 404), ("operator", 404), ("reader", 403)):
        told = httpx.post(address, json={"prompt": "Hello?"}, headers=cast[who].bearer, timeout=30)
        assert told.status_code == status
    assert questions(installation, chat) == []
