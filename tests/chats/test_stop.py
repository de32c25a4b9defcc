"""Stopping, which also frees the model: what was shown is what is kept."""

from __future__ import annotations

import time

import pytest

from tests.chats.talking import Talker, joined
from tests.endpoint import Model, Script
from tests.waiting import until

ENDLESS = Script(pieces=tuple(f"w{n} " for n in range(6000)), pause=0.01)


@pytest.mark.postgres
def test_stop_in_the_middle(keeper: Talker, model: Model) -> None:
    model.script = ENDLESS
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        message = stream.start()
        seen = [next(iter(stream)) for _ in range(3)]
        assert keeper.stop(chat, message).status_code == 202
        seen += list(stream)
    assert [event.type for event in seen[-2:]] == ["stopped", "done"]
    assert seen[-1].body["status"] == "stopped"
    until(lambda: model.running == 0, 30, "the model to be let go")
    last = keeper.last(chat)
    assert last["status"] == "stopped"
    assert last["content"] == joined(seen)
    assert joined(keeper.follow(chat, message)) == joined(seen)


def test_stop_before_the_first_word(keeper: Talker, model: Model) -> None:
    model.script = Script(silent=True)
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        message = stream.start()
        until(lambda: model.running == 1, 30)
        keeper.stop(chat, message)
        assert [event.type for event in stream] == ["stopped", "done"]
    until(lambda: model.running == 0, 30, "the model to be let go")
    assert keeper.last(chat)["content"] == ""


@pytest.mark.timing
@pytest.mark.parametrize("script", [ENDLESS, Script(silent=True)], ids=["middle", "beginning"])
def test_stop_takes_no_time(keeper: Talker, model: Model, script: Script) -> None:
    model.script = script
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        message = stream.start()
        until(lambda: model.running == 1)
        if not script.silent:
            next(iter(stream))
        keeper.stop(chat, message)
        asked = time.monotonic()
        list(stream)
    assert time.monotonic() - asked < 2
    until(lambda: model.running == 0, 0.5, "the model to be let go")


@pytest.mark.postgres
def test_stop_of_what_has_ended_changes_nothing(keeper: Talker) -> None:
    chat = keeper.chat()
    events = keeper.say(chat)
    answer = keeper.stop(chat, events[0].body["message_id"])
    assert (answer.status_code, answer.json()) == (200, {"status": "complete"})
    assert keeper.last(chat)["status"] == "complete"


def test_stopped_chat_takes_the_next_prompt(keeper: Talker, model: Model) -> None:
    model.script = Script(gate_at=0)
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        keeper.stop(chat, stream.start())
        list(stream)
    model.script = Script(pieces=("Fine.",))
    assert joined(keeper.say(chat)) == "Fine."
