"""Resuming a stream: after any event, in several tabs, and at any later time."""

from __future__ import annotations

import pytest

from tests.chats.talking import ChatClient, Event, parse_events, text_of
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until

# An event holds less than a kilobyte, so this text needs at least a dozen events.
WORDS = tuple(f"wörd{n} — “quoted”\n" * 40 for n in range(12))


def finished_answer(keeper: ChatClient, model: Model) -> tuple[str, str, list[Event]]:
    model.script = Script(pieces=WORDS)
    chat = keeper.chat()
    events = keeper.send(chat)
    return chat, str(events[0].body["message_id"]), events


@pytest.mark.postgres
def test_finished_answer_resumes_after_any_event(keeper: ChatClient, model: Model) -> None:
    chat, message, events = finished_answer(keeper, model)
    assert len(events) > 8
    for cut in range(len(events)):
        rest = keeper.events(chat, message, after=cut)
        assert [(e.seq, e.body) for e in events[:cut] + rest] == [(e.seq, e.body) for e in events]
        assert text_of(events[:cut] + rest) == "".join(WORDS)


def test_running_answer_resumes_after_any_event(keeper: ChatClient, model: Model) -> None:
    """Each connection reads one event of a running answer and resumes after it."""
    model.script = Script(pieces=WORDS, pause=0.03, gate_at=len(WORDS))
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        message, last_seq = stream.start(), 1
    text = ""
    while True:
        with keeper.stream_events(chat, message, after=last_seq) as stream:
            event = next(iter(stream))
        assert event.seq == last_seq + 1
        last_seq = event.seq
        text += event.body.get("text", "")
        if event.type == "done":
            break
        if text == "".join(WORDS):
            assert keeper.last(chat)["status"] == "running"
            model.gate.set()
    assert text == "".join(WORDS)
    assert last_seq > 12


def test_three_subscribers_receive_identical_events(keeper: ChatClient, model: Model) -> None:
    """Two subscribers join after the first chunk: they receive it, then the rest live."""
    model.script = Script(pieces=("One. ", *WORDS), pause=0.02, gate_at=1)
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        message = stream.start()
        first = [next(iter(stream))]
        with keeper.stream_events(chat, message) as one, keeper.stream_events(chat, message) as two:
            tabs = [(tab, [next(iter(tab)), next(iter(tab))]) for tab in (one, two)]
            model.gate.set()
            first += list(stream)
            for tab, received in tabs:
                received += list(tab)
                assert [(e.seq, e.body) for e in received[1:]] == [(e.seq, e.body) for e in first]
    assert text_of(first) == "One. " + "".join(WORDS) == keeper.last(chat)["content"]


def test_after_parameter_equals_the_header_which_wins(keeper: ChatClient, model: Model) -> None:
    chat, message, events = finished_answer(keeper, model)
    address = f"/{chat}/messages/{message}/events?after=3"
    for after, headers in ((3, {}), (5, {"Last-Event-ID": "5"}), (3, {"Last-Event-ID": ""})):
        answer = keeper.api.get(address, headers=headers)
        rest = list(parse_events(answer.text.splitlines()))
        assert [e.seq for e in rest] == [e.seq for e in events[after:]]


@pytest.mark.postgres
def test_client_that_has_done_gets_204(keeper: ChatClient, model: Model) -> None:
    """So an `EventSource`, which reconnects after every end, stops."""
    chat, message, events = finished_answer(keeper, model)
    answer = keeper.api.get(
        f"/{chat}/messages/{message}/events", headers={"Last-Event-ID": str(events[-1].seq)}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert [e.type for e in keeper.events(chat, message, after=events[-2].seq)] == ["done"]


@pytest.mark.postgres
def test_number_beyond_the_log_resets(keeper: ChatClient, model: Model) -> None:
    chat, message, events = finished_answer(keeper, model)
    again = keeper.events(chat, message, after=events[-1].seq + 5)
    assert again[0].body == {"type": "reset"}
    assert [(e.seq, e.body) for e in again[1:]] == [(e.seq, e.body) for e in events]


def test_number_beyond_a_running_answer_resets(keeper: ChatClient, model: Model) -> None:
    model.script = Script(pieces=("one ", "two"), gate_at=1)
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        message = stream.start()
        assert next(iter(stream)).type == "chunk"
        with keeper.stream_events(chat, message, after=500) as late:
            assert next(iter(late)).type == "reset"
            model.gate.set()
            assert text_of(late) == "one two"


@pytest.mark.parametrize("number", ["-1", "x", "1e3", "９", "99999999999999999999", "9" * 5000])
def test_invalid_event_number_is_rejected(keeper: ChatClient, model: Model, number: str) -> None:
    chat = keeper.chat()
    keeper.send(chat)
    message = keeper.last(chat)["id"]
    answer = keeper.api.get(f"/{chat}/messages/{message}/events", params={"after": number})
    assert answer.status_code == 400


@pytest.mark.postgres
def test_history_contains_the_text_of_a_running_answer(keeper: ChatClient, model: Model) -> None:
    model.script = Script(pieces=("one ", "two"), gate_at=1)
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        stream.start()
        until(lambda: keeper.last(chat)["content"] == "one ", 30, "the first word in the rows")
        assert keeper.last(chat)["status"] == "running"
        model.gate.set()
        assert list(stream)[-1].type == "done"


@pytest.mark.postgres
def test_pruned_log_is_replayed_from_the_message(
    club: Installation, keeper: ChatClient, model: Model
) -> None:
    chat, message, _ = finished_answer(keeper, model)
    printed = club.manage(
        "shell", "-v0", "-c",
        "from datetime import timedelta; from django.utils import timezone\n"
        "from django.core.management import call_command\n"
        "from chats.models import *\n"
        f"generations = Generation.objects.filter(message='{message}')\n"
        "generations.update(finished_at=timezone.now() - timedelta(days=2))\n"
        "call_command('prune')\n"
        "print('LEFT', GenerationEvent.objects.filter(generation__in=generations).count())",
    )  # fmt: skip
    assert "LEFT 0" in printed
    made = keeper.events(chat, message)
    assert text_of(made) == "".join(WORDS)
    late = keeper.events(chat, message, after=7)
    assert late[0].type == "reset"
    assert [(e.seq, e.body) for e in late[1:]] == [(e.seq, e.body) for e in made]
    rest = keeper.events(chat, message, after=made[4].seq)
    assert [(e.seq, e.body) for e in rest] == [(e.seq, e.body) for e in made[5:]]
    address = f"/{chat}/messages/{message}/events"
    assert keeper.api.get(address, params={"after": made[-1].seq}).status_code == 204
