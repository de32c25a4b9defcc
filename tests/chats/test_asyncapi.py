"""The AsyncAPI document describes the events of answers as a running server sends them."""

from __future__ import annotations

from tests.asyncapi import DOCUMENT, validate
from tests.chats.talking import ChatClient, Event
from tests.endpoint import Model, Script


def check(events: list[Event]) -> list[str]:
    """Validate each event against the schema of its type; return the types."""
    for event in events:
        validate(event.type.capitalize(), event.body)
    return [event.type for event in events]


def test_events_of_answers_are_described(keeper: ChatClient, model: Model) -> None:
    chat = keeper.chat()
    complete = keeper.send(chat)
    assert check(complete)[-1] == "done"
    model.script = Script(pieces=("Hel",), status=500, body={"error": {"message": "no"}})
    assert {"error", "done"} <= set(check(keeper.send(keeper.chat())))
    model.script = Script(gate_at=1)
    with keeper.stream(chat) as stream:
        message = stream.start()
        assert keeper.stop(chat, message).status_code == 202
        assert {"stopped", "done"} <= set(check(list(stream)))


def test_event_after_a_number_that_was_never_sent_is_described(keeper: ChatClient) -> None:
    chat = keeper.chat()
    keeper.send(chat)
    message = keeper.last(chat)["id"]
    types = check(keeper.events(chat, message, after=10_000))
    assert types[0] == "reset"
    assert types[-1] == "done"


def test_both_channels_have_the_same_events() -> None:
    answer, events = (DOCUMENT["channels"][name]["messages"] for name in ("answer", "events"))
    assert set(answer) - {"prompt"} == set(events)
