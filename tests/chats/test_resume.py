"""Whoever comes back finds every word: cut anywhere, in any number of tabs, at any later time."""

from __future__ import annotations

import pytest

from tests.chats.talking import Event, Talker, joined
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until

# An event holds less than a kilobyte: these are a dozen and more, however fast they come.
WORDS = tuple(f"wörd{n} — “quoted”\n" * 40 for n in range(12))


def recorded(keeper: Talker, model: Model) -> tuple[str, str, list[Event]]:
    model.script = Script(pieces=WORDS)
    chat = keeper.chat()
    events = keeper.say(chat)
    return chat, str(events[0].body["message_id"]), events


@pytest.mark.postgres
def test_cut_at_every_boundary_and_resumed(keeper: Talker, model: Model) -> None:
    chat, message, events = recorded(keeper, model)
    assert len(events) > 8
    for cut in range(len(events) + 1):
        rest = keeper.follow(chat, message, after=cut)
        assert [(e.seq, e.body) for e in events[:cut] + rest] == [(e.seq, e.body) for e in events]
        assert joined(events[:cut] + rest) == "".join(WORDS)


def test_cut_at_every_boundary_while_it_is_made(keeper: Talker, model: Model) -> None:
    """Each cut reads one event more and goes on behind it, in an answer that has not ended."""
    model.script = Script(pieces=WORDS, pause=0.03, gate_at=len(WORDS))
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        message, seen = stream.start(), 1
    text = ""
    while True:
        with keeper.following(chat, message, after=seen) as stream:
            event = next(iter(stream))
        assert event.seq == seen + 1
        seen = event.seq
        text += event.body.get("text", "")
        if event.type == "done":
            break
        if text == "".join(WORDS):
            assert keeper.last(chat)["status"] == "running"
            model.gate.set()
    assert text == "".join(WORDS)
    assert seen > 12


def test_three_tabs_are_identical(keeper: Talker, model: Model) -> None:
    """Two come when there is one word: they are told that, and the others as they are made."""
    model.script = Script(pieces=("One. ", *WORDS), pause=0.02, gate_at=1)
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        message = stream.start()
        first = [next(iter(stream))]
        with keeper.following(chat, message) as one, keeper.following(chat, message) as two:
            tabs = [(tab, [next(iter(tab)), next(iter(tab))]) for tab in (one, two)]
            model.gate.set()
            first += list(stream)
            for tab, seen in tabs:
                seen += list(tab)
                assert [(e.seq, e.body) for e in seen[1:]] == [(e.seq, e.body) for e in first]
    assert joined(first) == "One. " + "".join(WORDS) == keeper.last(chat)["content"]


def test_after_is_the_same_as_the_header(keeper: Talker, model: Model) -> None:
    chat, message, events = recorded(keeper, model)
    with keeper.api.stream("GET", f"/{chat}/messages/{message}/events?after=3") as answer:
        text = "".join(answer.iter_text())
    assert text.count("id: ") == len(events) - 3
    assert "id: 3\n" not in text


@pytest.mark.postgres
def test_number_beyond_the_log_starts_over(keeper: Talker, model: Model) -> None:
    chat, message, events = recorded(keeper, model)
    again = keeper.follow(chat, message, after=events[-1].seq + 5)
    assert again[0].body == {"type": "reset"}
    assert [(e.seq, e.body) for e in again[1:]] == [(e.seq, e.body) for e in events]


def test_number_beyond_what_was_said_so_far_starts_over(keeper: Talker, model: Model) -> None:
    model.script = Script(pieces=("one ", "two"), gate_at=1)
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        message = stream.start()
        assert next(iter(stream)).type == "chunk"
        with keeper.following(chat, message, after=500) as late:
            assert next(iter(late)).type == "reset"
            model.gate.set()
            assert joined(late) == "one two"


@pytest.mark.parametrize("number", ["-1", "x", "1e3", "９", "99999999999999999999", "9" * 5000])
def test_number_that_no_event_has_is_a_problem(keeper: Talker, model: Model, number: str) -> None:
    chat = keeper.chat()
    keeper.say(chat)
    message = keeper.last(chat)["id"]
    answer = keeper.api.get(f"/{chat}/messages/{message}/events", params={"after": number})
    assert answer.status_code == 400


@pytest.mark.postgres
def test_history_of_a_running_answer_holds_its_words(keeper: Talker, model: Model) -> None:
    model.script = Script(pieces=("one ", "two"), gate_at=1)
    chat = keeper.chat()
    with keeper.sending(chat) as stream:
        stream.start()
        until(lambda: keeper.last(chat)["content"] == "one ", 30, "the first word in the rows")
        assert keeper.last(chat)["status"] == "running"
        model.gate.set()
        assert list(stream)[-1].type == "done"


@pytest.mark.postgres
def test_log_that_was_pruned_is_told_anew(club: Installation, keeper: Talker, model: Model) -> None:
    chat, message, _ = recorded(keeper, model)
    printed = club.manage(
        "shell", "-v0", "-c",
        "from datetime import timedelta; from django.utils import timezone\n"
        "from django.core.management import call_command\n"
        "from chats.models import *\n"
        f"made = Generation.objects.filter(message='{message}')\n"
        "made.update(finished_at=timezone.now() - timedelta(days=2))\n"
        "call_command('prune')\n"
        "print('LEFT', GenerationEvent.objects.filter(generation__in=made).count())",
    )  # fmt: skip
    assert "LEFT 0" in printed
    assert joined(keeper.follow(chat, message)) == "".join(WORDS)
    late = keeper.follow(chat, message, after=7)
    assert late[0].type == "reset"
    assert joined(late) == "".join(WORDS)
