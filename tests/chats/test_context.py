"""Conversations and prompts at the limit of what the model takes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chats.conversation import PER_REQUEST
from chats.models.quotas import PER_TURN
from tests.chats.providers.texts import TEXTS
from tests.chats.talking import ChatClient, new_user
from tests.endpoint import Model, ModelRequest, Script
from tests.installation import Installation

ROOM = 1024 - 64 - PER_REQUEST
TOO_LONG = {"error": {"code": "context_length_exceeded", "message": "1,500 tokens; 1,024 allowed"}}


@pytest.fixture(scope="module")
def _person(club: Installation, scripted: Model) -> Iterator[ChatClient]:
    settings = {"context_tokens": 1024, "max_tokens": 64, "system_prompt": ""}
    with new_user(club, scripted, "context", **settings) as client:
        yield client


@pytest.fixture
def person(_person: ChatClient, model: Model) -> ChatClient:
    """A user whose model takes 1,024 tokens; the scripted model is reset."""
    return _person


def total(request: ModelRequest) -> int:
    """Return the tokens of a request: one for each byte."""
    return sum(len(m["content"].encode()) + PER_TURN for m in request.body["messages"])


def strict(request: ModelRequest) -> Script:
    """Answer like a server whose tokens are bytes."""
    size = total(request)
    if size + request.body["max_tokens"] > 1024:
        return Script(status=400, body=TOO_LONG)
    return Script(pieces=("Yes. " * 20,), usage=(size, 20))


@pytest.mark.postgres
def test_prompt_that_cannot_fit_is_refused_with_both_numbers(
    person: ChatClient, model: Model
) -> None:
    """Nothing is stored, and the chat goes on. First by the server's count, then by a guess."""
    chat = person.chat()
    prompt = TEXTS["numbers as CSV"]
    answer = person.api.post(f"/{chat}/messages", json={"prompt": prompt})
    assert answer.status_code == 200, "a server that does not count may take it"
    answer = person.api.post(f"/{chat}/messages", json={"prompt": "word " * 2000})
    assert answer.status_code == 413
    assert answer.json()["room"] == ROOM
    assert answer.json()["prompt_tokens"] == -(-len(("word " * 2000).strip()) // 4)
    assert "about" in answer.json()["errors"]["prompt"][0]
    before = person.read(chat)["messages"]
    assert len(before) == 2
    prompt_id, answer_id = before[0]["id"], before[1]["id"]
    edited = person.api.post(f"/{chat}/messages/{prompt_id}/edit", json={"prompt": "word " * 2000})
    assert edited.status_code == 413
    assert person.read(chat)["messages"] == before
    assert person.send(chat, "Short?")[-1].body["status"] == "complete"
    assert person.api.post(f"/{chat}/messages/{answer_id}/again").status_code == 200


@pytest.mark.parametrize("name", ["numbers as CSV", "Burmese", "emoji", "base64", "English"])
def test_chat_is_never_refused_for_good(person: ChatClient, model: Model, name: str) -> None:
    """By a server that counts nothing, and whose tokens are bytes: the worst there is."""
    model.script = strict
    chat = person.chat()
    piece = TEXTS[name].encode()[:600].decode(errors="ignore")
    for number in range(4):
        events = person.send(chat, f"{number} {piece}")
        assert events[-1].body["status"] == "complete", events
        assert total(model.requests[-1]) + 64 <= 1024
    too_long = TEXTS[name].encode()[:1500].decode(errors="ignore")
    refused = person.send(chat, too_long)
    assert refused[-1].body["status"] == "failed"
    assert "1,500 tokens; 1,024 allowed" in json.dumps(refused[-2].body)
    assert person.send(chat, "And now?")[-1].body["status"] == "complete"


@pytest.mark.postgres
def test_history_is_shortened_until_the_server_takes_it(person: ChatClient, model: Model) -> None:
    chat = person.chat()
    for number in range(4):
        person.send(chat, f"Question {number}?")
    model.script = lambda request: (
        Script(status=400, body=TOO_LONG)
        if len(request.body["messages"]) > 2
        else Script(pieces=("Short.",))
    )
    model.requests.clear()
    assert person.send(chat, "Last?")[-1].body["status"] == "complete"
    assert [len(request.body["messages"]) for request in model.requests] == [9, 3, 1]
    assert model.requests[-1].prompt == "Last?"
    assert person.last(chat)["content"] == "Short."


@pytest.mark.postgres
def test_limit_of_a_day_is_never_exceeded(club: Installation, model: Model) -> None:
    """The server charges a token for each byte, and the whole answer."""
    model.script = lambda request: Script(
        pieces=("1," * 16,) * 4, usage=(total(request), request.body["max_tokens"])
    )
    settings = {"context_tokens": 1024, "max_tokens": 64, "daily_tokens_each": 3000}
    with new_user(club, model, "thrifty", system_prompt="", **settings) as person:
        chat, used = person.chat(), 0
        for _ in range(20):
            sent = person.api.post(f"/{chat}/messages", json={"prompt": "1,2,3,4," * 20})
            if sent.status_code == 429:
                break
            last = person.last(chat)
            used += last["tokens_in"] + last["tokens_out"]
        assert sent.status_code == 429
        assert 1500 < used <= 3000


def test_repeated_request_is_answered_even_if_it_would_not_fit_now(
    person: ChatClient, club: Installation, model: Model
) -> None:
    chat, key = person.chat(), {"Idempotency-Key": "before-the-model-changed"}
    first = person.send(chat, "word " * 600, **key)
    model.tokenizer = lambda text: 5000
    rename = (
        "from chats.models import Assistant\n"
        "Assistant.objects.filter(organization__slug='context').update(model='{}')"
    )
    club.manage("shell", "-v0", "-c", rename.format("other"))
    try:
        assert person.send(chat, "word " * 600, **key) == first
        fresh = person.api.post(f"/{chat}/messages", json={"prompt": "word " * 600})
        assert fresh.status_code == 413
        assert fresh.json()["prompt_tokens"] == 5000 + PER_TURN
    finally:
        club.manage("shell", "-v0", "-c", rename.format("scripted"))
