"""Stopping an answer frees the model and keeps the text that was sent."""

from __future__ import annotations

import time

import pytest

from tests.chats.talking import ChatClient, text_of
from tests.endpoint import Model, Script
from tests.waiting import until

ENDLESS = Script(pieces=tuple(f"w{n} " for n in range(6000)), pause=0.01)


@pytest.mark.postgres
def test_stop_during_an_answer_keeps_its_text(keeper: ChatClient, model: Model) -> None:
    model.script = ENDLESS
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        message = stream.start()
        received = [next(iter(stream)) for _ in range(3)]
        assert keeper.stop(chat, message).status_code == 202
        received += list(stream)
    assert [event.type for event in received[-2:]] == ["stopped", "done"]
    assert received[-1].body["status"] == "stopped"
    until(lambda: model.running == 0, 30, "the model to be released")
    last = keeper.last(chat)
    assert last["status"] == "stopped"
    assert last["content"] == text_of(received)
    assert text_of(keeper.events(chat, message)) == text_of(received)


def test_stop_before_the_first_token(keeper: ChatClient, model: Model) -> None:
    model.script = Script(silent=True)
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        message = stream.start()
        until(lambda: model.running == 1, 30)
        keeper.stop(chat, message)
        assert [event.type for event in stream] == ["stopped", "done"]
    until(lambda: model.running == 0, 30, "the model to be released")
    assert keeper.last(chat)["content"] == ""


@pytest.mark.timing
@pytest.mark.parametrize("script", [ENDLESS, Script(silent=True)], ids=["middle", "beginning"])
def test_stop_is_fast(keeper: ChatClient, model: Model, script: Script) -> None:
    model.script = script
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        message = stream.start()
        until(lambda: model.running == 1)
        if not script.silent:
            next(iter(stream))
        keeper.stop(chat, message)
        stopped_at = time.monotonic()
        list(stream)
    assert time.monotonic() - stopped_at < 2
    until(lambda: model.running == 0, 0.5, "the model to be released")


@pytest.mark.postgres
def test_stopping_a_finished_answer_changes_nothing(keeper: ChatClient) -> None:
    chat = keeper.chat()
    events = keeper.send(chat)
    answer = keeper.stop(chat, events[0].body["message_id"])
    assert (answer.status_code, answer.json()) == (200, {"status": "complete"})
    assert keeper.last(chat)["status"] == "complete"


def test_chat_accepts_a_prompt_after_a_stop(keeper: ChatClient, model: Model) -> None:
    model.script = Script(gate_at=0)
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        keeper.stop(chat, stream.start())
        list(stream)
    model.script = Script(pieces=("Fine.",))
    assert text_of(keeper.send(chat)) == "Fine."
