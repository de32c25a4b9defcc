"""One answer per key, one running answer per chat, and quotas under concurrency."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chats.talking import ChatClient, new_user
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until


@pytest.mark.postgres
def test_fifty_identical_prompts_with_one_key_are_one_answer(
    keeper: ChatClient, model: Model
) -> None:
    model.script = Script(pieces=("just ", "once"), pause=0.2)
    chat = keeper.chat()
    with ThreadPoolExecutor(50) as crowd:
        answers = list(
            crowd.map(lambda _: keeper.send(chat, "Go", **{"Idempotency-Key": "k1"}), range(50))
        )
    assert len({events[0].body["message_id"] for events in answers}) == 1
    assert len({str([(e.seq, e.body) for e in events]) for events in answers}) == 1
    assert len(model.requests) == 1
    assert len(keeper.read(chat)["messages"]) == 2


@pytest.mark.postgres
def test_key_of_a_finished_answer_returns_that_answer(keeper: ChatClient, model: Model) -> None:
    chat = keeper.chat()
    first = keeper.send(chat, "Go", **{"Idempotency-Key": "k2"})
    again = keeper.send(chat, "Something else", **{"Idempotency-Key": "k2"})
    assert [(e.seq, e.body) for e in first] == [(e.seq, e.body) for e in again]
    elsewhere = keeper.send(keeper.chat(), "Go", **{"Idempotency-Key": "k2"})
    keeper.api.delete(f"/{chat}")
    late = keeper.api.post(
        f"/{keeper.chat()}/messages", json={"prompt": "Go"}, headers={"Idempotency-Key": "k2"}
    )
    assert late.status_code == 409, "the chat of that answer is deleted"
    assert "Idempotency-Key" in late.json()["errors"]
    assert elsewhere[0].body == first[0].body
    assert len(model.requests) == 1


@pytest.mark.postgres
def test_repeated_prompt_continues_after_the_last_event(keeper: ChatClient, model: Model) -> None:
    """Libraries send the same request again when a stream has ended, with `Last-Event-ID`."""
    chat, key = keeper.chat(), {"Idempotency-Key": "k3"}
    first = keeper.send(chat, "Go", **key, **{"Last-Event-ID": "2"})
    assert first[0].type == "start", "a new answer has no events before it"
    again = keeper.send(chat, "Go", **key, **{"Last-Event-ID": "2"})
    assert [(e.seq, e.body) for e in again] == [(e.seq, e.body) for e in first[2:]]
    beyond = keeper.send(chat, "Go", **key, **{"Last-Event-ID": "99"})
    assert [e.type for e in beyond] == ["reset", *(e.type for e in first)]
    over = keeper.api.post(
        f"/{chat}/messages", json={"prompt": "Go"},
        headers=key | {"Last-Event-ID": str(first[-1].seq)},
    )  # fmt: skip
    assert (over.status_code, over.content) == (204, b"")
    assert len(model.requests) == 1


@pytest.mark.parametrize("key", ["x" * 201, "a\tb"])
def test_invalid_key_is_rejected(keeper: ChatClient, model: Model, key: str) -> None:
    answer = keeper.api.post(
        f"/{keeper.chat()}/messages", json={"prompt": "x"}, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 400
    assert not model.requests


@pytest.mark.postgres
def test_two_concurrent_prompts_are_one_answer_and_one_conflict(
    keeper: ChatClient, model: Model
) -> None:
    model.script = Script(gate_at=0)
    chat = keeper.chat()

    def post(prompt: str) -> tuple[int, str]:
        address = f"/{chat}/messages"
        with keeper.api.stream("POST", address, json={"prompt": prompt}) as answer:
            if answer.status_code == 200:
                return 200, "".join(answer.iter_text())
            answer.read()
            message = answer.json()["message_id"]
            model.gate.set()
            return answer.status_code, message

    with ThreadPoolExecutor(2) as both:
        answers = dict(both.map(post, ("one", "two")))
    assert set(answers) == {200, 409}
    assert answers[409] in answers[200], "the conflict names the running answer"
    assert len(keeper.read(chat)["messages"]) == 2


def test_two_chats_are_answered_concurrently(keeper: ChatClient, model: Model) -> None:
    model.script = Script(gate_at=0)
    with keeper.stream(keeper.chat()) as one, keeper.stream(keeper.chat()) as two:
        one.start()
        two.start()
        until(lambda: model.running == 2, 30)
        model.gate.set()
        assert list(one)[-1].body == list(two)[-1].body == {"type": "done", "status": "complete"}


_SPENT = """
from chats.models import *
print([(a.reserved, a.tokens_in, a.tokens_out, a.answers) for a in
       Quota.objects.filter(organization__slug="{name}")])
"""


USED_UP = {
    "daily_tokens": "Today’s tokens of the organization are used up.",
    "daily_tokens_each": "Your tokens for today are used up.",
}


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("whose", "most"),
    [
        ("daily_tokens", 24),
        ("daily_tokens_each", 24),
        pytest.param("daily_tokens", 100, marks=pytest.mark.soak),
    ],
)
def test_concurrent_prompts_do_not_exceed_the_quota(
    club: Installation, model: Model, whose: str, most: int
) -> None:
    """Each may cost under 700 tokens, so 10,000 are enough for a dozen, and each uses 30."""
    model.script = Script(pieces=("a",), usage=(20, 10), gate_at=0)
    name = f"{whose}-{most}".replace("_", "-")
    with new_user(club, model, name, **{whose: 10_000, "max_tokens": 512}) as client:
        chats = [client.chat() for _ in range(most)]
        codes: list[int] = []

        def post(chat: str) -> int:
            address = f"/{chat}/messages"
            with client.api.stream("POST", address, json={"prompt": "Go"}) as answer:
                codes.append(answer.status_code)
                if len(codes) == most:
                    model.gate.set()
                answer.read()
            if answer.status_code == 429:
                assert 0 < int(answer.headers["Retry-After"]) <= 86_401
                detail = answer.json()["detail"]
                assert detail == f"{USED_UP[whose]} There are new ones after midnight."
            return answer.status_code

        with ThreadPoolExecutor(most) as crowd:
            counted = Counter(crowd.map(post, chats))
        assert counted.keys() == {200, 429}
        assert 12 <= counted[200] <= 20
        rows = eval(club.manage("shell", "-v0", "-c", _SPENT.format(name=name)))
        assert len(rows) == 2, "the organization's and the user's"
        for row in rows:
            assert row == (0, 20 * counted[200], 10 * counted[200], counted[200])
        assert client.send(client.chat())[-1].body["status"] == "complete", "the rest is settled"
