"""The list of chats, branches, export, retention and erasure."""

from __future__ import annotations

import re
import uuid

import httpx
import pytest

from tests.chats.talking import ChatClient, new_user, text_of
from tests.endpoint import Model, Script
from tests.installation import Installation


def titles(keeper: ChatClient, **query: str) -> list[str]:
    answer = keeper.api.get("", params=query)
    assert answer.status_code == 200, answer.text
    return [chat["title"] for chat in answer.json()["results"]]


def test_title_is_the_beginning_of_the_first_prompt(keeper: ChatClient) -> None:
    chat = keeper.chat()
    keeper.send(chat, "What   plays\nworked well last game, and which ones did not work at all?")
    title = keeper.read(chat)["title"]
    assert title == "What plays worked well last game, and which ones did not…"
    keeper.send(chat, "And now?")
    assert keeper.read(chat)["title"] == title


@pytest.mark.postgres
def test_owner_can_rename_pin_and_archive_a_chat(keeper: ChatClient) -> None:
    mark = uuid.uuid4().hex
    first, second = keeper.chat(), keeper.chat()
    for chat, title in ((first, f"{mark} first"), (second, f"{mark} second")):
        answer = keeper.api.patch(f"/{chat}", json={"title": title})
        assert (answer.status_code, answer.json()["title"]) == (200, title)
    assert titles(keeper, q=mark) == [f"{mark} second", f"{mark} first"]
    keeper.api.patch(f"/{first}", json={"pinned": True})
    assert titles(keeper, q=mark, pinned="1") == [f"{mark} first"]
    assert titles(keeper, q=mark, pinned="0") == [f"{mark} second"]
    keeper.api.patch(f"/{first}", json={"archived": True})
    assert titles(keeper, q=mark) == [f"{mark} second"]
    assert titles(keeper, q=mark, archived="1") == [f"{mark} first"]
    assert keeper.api.patch(f"/{first}", json={"title": "x" * 61}).status_code == 400


@pytest.mark.postgres
def test_search_finds_words_in_titles_prompts_and_answers(keeper: ChatClient, model: Model) -> None:
    mark = uuid.uuid4().hex
    model.script = Script(pieces=(f"The answer {mark}-a.",))
    chat = keeper.chat()
    keeper.send(chat, f"My question {mark}-q %_\\")
    for words in (f"{mark}-a", f"{mark}-q QUESTION", f"{mark} %_\\", f"answer {mark}"):
        assert len(titles(keeper, q=words)) == 1, words
    assert titles(keeper, q=f"{mark} nothing") == []
    assert titles(keeper, q="(a+)+$" * 300) == []


@pytest.mark.postgres
def test_deleted_chat_can_be_restored(keeper: ChatClient) -> None:
    chat = keeper.chat()
    keeper.send(chat)
    assert keeper.api.delete(f"/{chat}").status_code == 204
    assert keeper.api.get(f"/{chat}").status_code == 404
    assert keeper.api.post(f"/{chat}/messages", json={"prompt": "x"}).status_code == 404
    assert keeper.api.post(f"/{chat}/restore").status_code == 200
    assert len(keeper.read(chat)["messages"]) == 2


@pytest.mark.postgres
def test_regenerated_answer_is_a_sibling(keeper: ChatClient, model: Model) -> None:
    chat = keeper.chat()
    model.script = Script(pieces=("First.",))
    first = keeper.send(chat, "Hm?")[0].body["message_id"]
    model.script = Script(pieces=("Second.",))
    answer = keeper.api.post(f"/{chat}/messages/{first}/again")
    assert answer.status_code == 200
    last = keeper.last(chat)
    assert last["content"] == "Second."
    assert last["siblings"] == [first, last["id"]]
    shown = keeper.api.post(f"/{chat}/messages/{first}/select").json()
    assert shown["messages"][-1]["content"] == "First."
    assert keeper.last(chat)["id"] == first
    assert [m["content"] for m in model.requests[-1].body["messages"][1:]] == ["Hm?"]


@pytest.mark.postgres
def test_edited_prompt_starts_a_branch(keeper: ChatClient, model: Model) -> None:
    chat = keeper.chat()
    keeper.send(chat, "One")
    prompt = keeper.read(chat)["messages"][0]["id"]
    keeper.send(chat, "Two")
    answer = keeper.api.post(f"/{chat}/messages/{prompt}/edit", json={"prompt": "Uno"})
    assert answer.status_code == 200
    branch = keeper.read(chat)["messages"]
    assert [m["content"] for m in branch][::2] == ["Uno"]
    assert len(branch[0]["siblings"]) == 2
    keeper.api.post(f"/{chat}/messages/{prompt}/select")
    assert [m["content"] for m in keeper.read(chat)["messages"]][::2] == ["One", "Two"]


@pytest.mark.postgres
def test_stopped_answer_can_be_continued(keeper: ChatClient, model: Model) -> None:
    model.script = Script(pieces=("One, ", "two"), gate_at=1)
    chat = keeper.chat()
    with keeper.stream(chat) as stream:
        message = stream.start()
        assert next(iter(stream)).type == "chunk"
        keeper.stop(chat, message)
        assert list(stream)[-1].body["status"] == "stopped"
    model.script = Script(pieces=("two, ", "three."))
    with keeper.api.stream("POST", f"/{chat}/messages/{message}/continue") as answer:
        assert answer.status_code == 200
        answer.read()
    last = keeper.last(chat)
    assert last["content"] == "One, two, three."
    assert text_of(keeper.events(chat, last["id"])) == "One, two, three."
    sent = [m["content"] for m in model.requests[-1].body["messages"]]
    assert "One, " in sent[-2]
    assert keeper.api.post(f"/{chat}/messages/{last['id']}/continue").status_code == 404


@pytest.mark.postgres
def test_answer_can_be_rated_with_a_reason(keeper: ChatClient) -> None:
    chat = keeper.chat()
    message = keeper.send(chat)[0].body["message_id"]
    address = f"/{chat}/messages/{message}/rating"
    assert keeper.api.put(address, json={"rating": -1, "reason": "Wrong."}).status_code == 204
    assert (keeper.last(chat)["rating"], keeper.last(chat)["rating_reason"]) == (-1, "Wrong.")
    assert keeper.api.put(address, json={"rating": None}).status_code == 204
    assert (keeper.last(chat)["rating"], keeper.last(chat)["rating_reason"]) == (None, "")
    assert keeper.api.put(address, json={"rating": 5}).status_code == 400
    prompt = keeper.read(chat)["messages"][0]["id"]
    assert (
        keeper.api.put(f"/{chat}/messages/{prompt}/rating", json={"rating": 1}).status_code == 404
    )


def test_chat_can_be_exported(keeper: ChatClient, model: Model) -> None:
    model.script = Script(pieces=("**Well**, _this_.",))
    chat = keeper.chat()
    keeper.send(chat, "How is “this”?")
    markdown = keeper.api.get(f"/{chat}/export")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.headers["content-disposition"] == 'attachment; filename="how-is-this.md"'
    assert markdown.text.startswith("# How is “this”?")
    assert "## You, " in markdown.text
    assert "**Well**, _this_." in markdown.text
    as_json = keeper.api.get(f"/{chat}/export", params={"as": "json"})
    assert as_json.json()["messages"] == keeper.read(chat)["messages"]
    assert keeper.api.get(f"/{chat}/export", params={"as": "pdf"}).status_code == 400


@pytest.mark.postgres
def test_messages_are_paginated_by_cursor(keeper: ChatClient) -> None:
    chat = keeper.chat()
    for n in range(3):
        keeper.send(chat, f"Question {n}")
    page = keeper.api.get(f"/{chat}/messages", params={"limit": 4}).json()
    rest = httpx.get(page["next"], headers=keeper.api.headers).json()
    contents = [m["content"] for m in page["results"] + rest["results"]]
    assert contents[::2] == ["Question 0", "Question 1", "Question 2"]


_PRUNE = """
from datetime import timedelta
from django.core.management import call_command
from django.utils import timezone
from chats.models import *
late = timezone.now() - timedelta({ago})
Chat.objects.filter(pk="{chat}").update({field}=late)
call_command("prune")
"""
_ERASE = """
from chats.models.generations import Chat, erase
erase(Chat.objects.filter(pk="{chat}"))
"""
_LEFT = """
from chats.models import *
print("LEFT", Message.objects.filter(content__contains="{mark}").count()
    + Chat.objects.filter(pk="{chat}").count()
    + GenerationEvent.objects.filter(generation__chat="{chat}").count())
"""


@pytest.mark.postgres
def test_retention_counts_from_the_last_prompt(club: Installation, model: Model) -> None:
    with new_user(club, model, "forgetful", retention_days=30) as client:
        old, new = client.chat(), client.chat()
        client.send(old, "old words")
        client.send(new, "new words")
        prune = _PRUNE.format(ago="days=31", chat=old, field="touched_at")
        club.manage("shell", "-v0", "-c", prune)
        assert client.api.get(f"/{old}").status_code == 404
        assert client.api.get(f"/{new}").status_code == 200


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["prune", "erase"])
def test_erased_chats_leave_no_rows(club: Installation, keeper: ChatClient, how: str) -> None:
    mark = uuid.uuid4().hex
    chat, other = keeper.chat(), keeper.chat()
    keeper.send(chat, mark)
    keeper.api.delete(f"/{other}")
    if how == "prune":
        keeper.api.delete(f"/{chat}")
        erase = _PRUNE.format(ago="minutes=6", chat=chat, field="deleted_at")
    else:
        erase = _ERASE.format(chat=chat)
    left = _LEFT.format(mark=mark, chat=chat)
    printed = club.manage("shell", "-v0", "-c", left + erase + left)
    before, after = map(int, re.findall(r"LEFT (\d+)", printed))
    assert before >= 3, "chat, prompt and log"
    assert after == 0
    assert keeper.api.post(f"/{other}/restore").status_code == 200, "deleted just now"


@pytest.mark.postgres
def test_erasing_a_chat_ends_the_stream_of_its_answer(
    club: Installation, keeper: ChatClient, model: Model
) -> None:
    model.script = Script(pieces=tuple(f"{n} " for n in range(9000)), pause=0.01)
    chat, logged = keeper.chat(), len(club.logged())
    with keeper.stream(chat) as stream:
        stream.start()
        club.manage("shell", "-v0", "-c", _ERASE.format(chat=chat))
        assert "done" not in [event.type for event in stream]
    assert "Traceback" not in club.logged()[logged:]
