"""The provider for OpenAI-compatible endpoints: its requests, and the answers it accepts."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from chats.providers.base import Conversation, Finish, Refused, Turn, Usage
from chats.providers.openai import CONTINUE, OpenAICompatible
from tests.chats.providers.asking import HELLO, answer_of, answer_text, client, event, failure_of
from tests.endpoint import FIXED, Model, Script
from tests.waiting import until


async def test_it_works(model: Model) -> None:
    text, finish = await answer_of(client(model))
    assert (text, finish) == (FIXED, Finish("stop", Usage(7, len(Script().pieces))))
    (request,) = model.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {model.key}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.body == {
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


async def test_answer_cut_by_its_length_has_finish_reason_length(model: Model) -> None:
    model.script = Script(finish="length")
    _, finish = await answer_of(client(model))
    assert finish.reason == "length"


async def test_no_authorization_header_without_a_key(model: Model) -> None:
    await answer_of(OpenAICompatible(model.url, "", "m", listed=model.listed))
    assert "authorization" not in model.requests[0].headers


async def test_variations_of_the_stream_format_are_accepted(model: Model) -> None:
    model.script = Script(
        raw=b"\xef\xbb\xbf: ping\r\n\r\nevent: message\r\nid: 7\r\nretry: 10\r\n"
        + event(role="assistant", content=None, refusal=None)
        + event(reasoning_content="Let me think", content=None)
        + b'data: {"choices":[],"prompt_filter_results":[{}]}\n\n'
        + b'data:{"choices":[{"delta":{"content":"no space, "}}],"usage":null}\r\n\r\n'
        + b'data: {"choices":\ndata: [{"delta":{"content":"two lines"}}]}\r\r'
        + b'data: {"choices":[{"delta":null,"finish_reason":"stop"}]}'  # no end, no [DONE]
    )
    assert await answer_of(client(model)) == ("no space, two lines", Finish("stop", None))


async def test_done_event_ends_the_answer(model: Model) -> None:
    model.script = Script(raw=event(content="Yes.") + b"data: [DONE]\n\n" + event(content="No."))
    assert await answer_of(client(model)) == ("Yes.", Finish("stop"))


async def test_answer_without_streaming_is_accepted(model: Model) -> None:
    message = {"role": "assistant", "content": "All at once."}
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    choices = [{"message": message, "finish_reason": "stop"}]
    model.script = Script(body={"choices": choices, "usage": usage})
    assert await answer_of(client(model)) == ("All at once.", Finish("stop", Usage(3, 4)))


def as_event(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event)}\n\n"


async def test_tokens_that_arrive_together_are_one_piece(model: Model) -> None:
    events = [{"choices": [{"delta": {"content": letter}}]} for letter in "abcdefghij" * 100]
    end = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    model.script = Script(raw=("".join(map(as_event, events)) + end).encode())
    pieces = [piece async for piece in client(model).answer(HELLO)]
    assert "".join(str(piece) for piece in pieces[:-1]) == "abcdefghij" * 100
    print(f"{len(pieces)} pieces of 1000 tokens")
    assert len(pieces) < 20


async def test_half_of_a_surrogate_pair_waits_for_the_other(model: Model) -> None:
    model.script = Script(pieces=("kick \ud83c", "\udfc9\x00 and \udfc9", "\ud83c"), pause=0.02)
    text, _ = await answer_of(client(model))
    assert text == "kick 🏉\ufffd and \ufffd\ufffd"


async def test_unencodable_prompt_is_cleaned(model: Model) -> None:
    await answer_of(client(model), Conversation((Turn("user", "a\ud800b"),)))
    assert model.requests[0].prompt == "a\ufffdb"


async def test_prefill_is_sent_as_assistant_message(model: Model) -> None:
    conversation = Conversation((Turn("user", "Count."),), prefill="One, two")
    await answer_of(client(model), conversation)
    await answer_of(client(model, supports_prefill=True, extra={"seed": 1}), conversation)
    request, prefilled = model.requests
    assert request.body["messages"][1:] == [
        {"role": "assistant", "content": "One, two"},
        {"role": "user", "content": CONTINUE},
    ]
    assert prefilled.body["messages"][1:] == [{"role": "assistant", "content": "One, two"}]
    assert prefilled.body["continue_final_message"] is True
    assert prefilled.body["add_generation_prompt"] is False
    assert prefilled.body["seed"] == 1


async def test_check_reports_the_time_to_the_first_token(model: Model) -> None:
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


async def test_key_is_in_no_log_and_no_sentence(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    model.script = Script(status=400, body={"error": {"message": f"key {model.key} is odd"}})
    _, failure = await failure_of(client(model))
    assert "key … is odd" in failure.sentence
    assert model.key not in caplog.text
    assert model.key not in repr(client(model))


@pytest.mark.parametrize("key", ["sk-a\r\nX-Evil: 1", "schlüssel"])
async def test_invalid_key_is_not_sent(model: Model, key: str) -> None:
    _, failure = await failure_of(OpenAICompatible(model.url, key, "m", listed=model.listed))
    assert type(failure) is Refused
    assert model.requests == []


async def test_hundreds_of_concurrent_streams(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All are dialed by one loop at once, which on a busy machine takes longer than 5 s.
    monkeypatch.setattr("chats.providers.transport.CONNECT_S", 90.0)
    model.script = Script(gate_at=1)
    provider = client(model)
    answers = [asyncio.create_task(answer_text(provider)) for _ in range(300)]
    await asyncio.to_thread(until, lambda: model.running == 300, 100.0)
    model.gate.set()
    assert await asyncio.gather(*answers) == [FIXED] * 300
    await provider.close()
