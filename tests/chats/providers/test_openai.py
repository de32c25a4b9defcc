"""A client of OpenAI-compatible endpoints: what it asks and what it understands."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from chats.providers.base import Conversation, Finish, Refused, Turn, Usage
from chats.providers.openai import CONTINUE, OpenAICompatible
from tests.chats.providers.asking import HELLO, client, event, failed, heard, heard_from
from tests.endpoint import FIXED, Model, Script
from tests.waiting import until


async def test_it_works(model: Model) -> None:
    text, finish = await heard(client(model))
    assert (text, finish) == (FIXED, Finish("stop", Usage(7, len(Script().pieces))))
    (asked,) = model.requests
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {model.key}"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.body == {
        "model": "m-1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.7,
        "max_tokens": 1024,
    }


async def test_an_answer_cut_by_its_length_says_so(model: Model) -> None:
    model.script = Script(finish="length")
    _, finish = await heard(client(model))
    assert finish.reason == "length"


async def test_an_endpoint_without_a_key_is_sent_none(model: Model) -> None:
    await heard(OpenAICompatible(model.url, "", "m", listed=model.listed))
    assert "authorization" not in model.requests[0].headers


async def test_what_endpoints_add_and_leave_out_is_borne(model: Model) -> None:
    model.script = Script(
        raw=b"\xef\xbb\xbf: ping\r\n\r\nevent: message\r\nid: 7\r\nretry: 10\r\n"
        + event(role="assistant", content=None, refusal=None)
        + event(reasoning_content="Let me think", content=None)
        + b'data: {"choices":[],"prompt_filter_results":[{}]}\n\n'
        + b'data:{"choices":[{"delta":{"content":"no space, "}}],"usage":null}\r\n\r\n'
        + b'data: {"choices":\ndata: [{"delta":{"content":"two lines"}}]}\r\r'
        + b'data: {"choices":[{"delta":null,"finish_reason":"stop"}]}'  # no end, no [DONE]
    )
    assert await heard(client(model)) == ("no space, two lines", Finish("stop", None))


async def test_done_alone_finishes_a_text_and_nothing_after_it_counts(model: Model) -> None:
    model.script = Script(raw=event(content="Yes.") + b"data: [DONE]\n\n" + event(content="No."))
    assert await heard(client(model)) == ("Yes.", Finish("stop"))


async def test_a_server_that_does_not_stream_is_understood(model: Model) -> None:
    message = {"role": "assistant", "content": "All at once."}
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    choices = [{"message": message, "finish_reason": "stop"}]
    model.script = Script(body={"choices": choices, "usage": usage})
    assert await heard(client(model)) == ("All at once.", Finish("stop", Usage(3, 4)))


def as_event(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event)}\n\n"


async def test_pieces_that_came_together_are_one(model: Model) -> None:
    events = [{"choices": [{"delta": {"content": letter}}]} for letter in "abcdefghij" * 100]
    end = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    model.script = Script(raw=("".join(map(as_event, events)) + end).encode())
    pieces = [piece async for piece in client(model).answer(HELLO)]
    assert "".join(str(piece) for piece in pieces[:-1]) == "abcdefghij" * 100
    print(f"{len(pieces)} pieces of 1000 tokens")
    assert len(pieces) < 20


async def test_half_a_pair_of_surrogates_waits_for_the_other(model: Model) -> None:
    model.script = Script(pieces=("kick \ud83c", "\udfc9\x00 and \udfc9", "\ud83c"), pause=0.02)
    text, _ = await heard(client(model))
    assert text == "kick 🏉\ufffd and \ufffd\ufffd"


async def test_what_cannot_be_encoded_is_asked_cleaned(model: Model) -> None:
    await heard(client(model), Conversation((Turn("user", "a\ud800b"),)))
    assert model.requests[0].prompt == "a\ufffdb"


async def test_an_unfinished_answer_is_asked_to_be_continued(model: Model) -> None:
    unfinished = Conversation((Turn("user", "Count."),), prefill="One, two")
    await heard(client(model), unfinished)
    await heard(client(model, supports_prefill=True, extra={"seed": 1}), unfinished)
    asked, prefilled = model.requests
    assert asked.body["messages"][1:] == [
        {"role": "assistant", "content": "One, two"},
        {"role": "user", "content": CONTINUE},
    ]
    assert prefilled.body["messages"][1:] == [{"role": "assistant", "content": "One, two"}]
    assert prefilled.body["continue_final_message"] is True
    assert prefilled.body["add_generation_prompt"] is False
    assert prefilled.body["seed"] == 1


async def test_the_check_says_how_long_the_first_word_took(model: Model) -> None:
    provider = client(model)
    sentence = await provider.check()
    assert re.fullmatch(r"“m-1” answers: its first word came after \d+\.\d\d s\.", sentence)
    assert model.requests[0].body["max_tokens"] == 16
    model.script = Script(pieces=())
    assert "without a word" in await provider.check()
    model.script = Script(status=401)
    with pytest.raises(Refused):
        await provider.check()
    await provider.close()


async def test_the_key_is_in_no_log_and_no_sentence(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    model.script = Script(status=400, body={"error": {"message": f"key {model.key} is odd"}})
    _, failure = await failed(client(model))
    assert "key … is odd" in failure.sentence
    assert model.key not in caplog.text
    assert model.key not in repr(client(model))


@pytest.mark.parametrize("key", ["sk-a\r\nX-Evil: 1", "schlüssel"])
async def test_a_key_that_is_none_is_not_sent(model: Model, key: str) -> None:
    _, failure = await failed(OpenAICompatible(model.url, key, "m", listed=model.listed))
    assert type(failure) is Refused
    assert model.requests == []


async def test_hundreds_of_streams_at_once(model: Model) -> None:
    model.script = Script(gate_at=1)
    provider = client(model)
    answers = [asyncio.create_task(heard_from(provider)) for _ in range(300)]
    await asyncio.to_thread(until, lambda: model.running == 300, 100.0)
    model.gate.set()
    assert await asyncio.gather(*answers) == [FIXED] * 300
    await provider.close()
