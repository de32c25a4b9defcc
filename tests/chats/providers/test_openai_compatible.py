"""A client of OpenAI-compatible endpoints, against a scripted one over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import psutil
import pytest

from chats.providers.base import (
    Busy,
    Conversation,
    Finish,
    Nonsense,
    ProviderError,
    Refused,
    Rejected,
    Turn,
    Unreachable,
    Usage,
)
from chats.providers.cleaning import Cleaner, clean
from chats.providers.completions import CONTINUE
from chats.providers.events import LONGEST, Events
from chats.providers.openai_compatible import OpenAICompatible
from chats.providers.refusals import LONGEST_WAIT_S, retry_after
from tests.endpoint import FIXED, Model, Script, endpoint
from tests.waiting import free_port, until

HELLO = Conversation((Turn("system", "Be brief."), Turn("user", "Hello?")))


@pytest.fixture
def model() -> Iterator[Model]:
    with endpoint() as model:
        yield model


def client(model: Model, **options: Any) -> OpenAICompatible:
    return OpenAICompatible(model.url, model.key, "m-1", listed=model.listed, **options)


async def heard(
    provider: OpenAICompatible, conversation: Conversation = HELLO
) -> tuple[str, Finish]:
    """The whole answer: its text and its end."""
    text, finish = "", None
    async for piece in provider.answer(conversation):
        assert finish is None, "nothing follows the finish"
        if isinstance(piece, Finish):
            finish = piece
        else:
            assert piece, "no piece is empty"
            text += piece
    await provider.close()
    assert finish is not None
    return text, finish


async def failed(
    provider: OpenAICompatible, conversation: Conversation = HELLO
) -> tuple[str, ProviderError]:
    """What came before the failure, and the failure."""
    text = ""
    try:
        async for piece in provider.answer(conversation):
            assert isinstance(piece, str)
            text += piece
    except ProviderError as failure:
        return text, failure
    finally:
        await provider.close()
    raise AssertionError("the answer did not fail")


def fed(chunks: Iterable[bytes]) -> list[bytes]:
    """The events of a body that comes in these chunks."""
    events = Events()
    return [data for chunk in chunks for data in events.feed(chunk)] + events.end()


def event(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'


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


async def test_pieces_that_came_together_are_one(model: Model) -> None:
    events = [{"choices": [{"delta": {"content": letter}}]} for letter in "abcdefghij" * 100]
    end = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    model.script = Script(raw=("".join(map(as_event, events)) + end).encode())
    pieces = [piece async for piece in client(model).answer(HELLO)]
    assert "".join(str(piece) for piece in pieces[:-1]) == "abcdefghij" * 100
    print(f"{len(pieces)} pieces of 1000 tokens")
    assert len(pieces) < 20


def as_event(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event)}\n\n"


def test_any_cut_of_the_bytes_gives_the_same_events() -> None:
    body = (
        ": comment\r\n\r\ndata: Grüße\r\ndata: 🏉\r\n\r\ndata:x\n\ndata: \n\nevent: y\rdata: z\r\r"
    ).encode()
    expected = ["Grüße\n🏉".encode(), b"x", b"z"]
    assert fed([body]) == expected
    chance = random.Random(4)
    for step in [1, 2, 3, *(chance.randint(4, 20) for _ in range(30))]:
        assert fed(body[at : at + step] for at in range(0, len(body), step)) == expected


@pytest.mark.parametrize("line", [b"x" * (LONGEST + 1), b"data: " + b"x" * LONGEST + b"x"])
def test_a_line_without_an_end_is_nonsense_before_it_fills_the_memory(line: bytes) -> None:
    with pytest.raises(Nonsense):
        fed(line[at : at + 4096] for at in range(0, len(line), 4096))


def test_an_event_of_endless_lines_is_nonsense() -> None:
    with pytest.raises(Nonsense):
        fed(b"data: " + b"x" * 4096 + b"\n" for _ in range(300))


def test_text_is_made_fit_for_storing() -> None:
    assert clean("a\x00b\ud800c\udc00") == "a\ufffdb\ufffdc\ufffd"
    assert clean("\ud83c\udfc9") == "🏉"
    cleaner = Cleaner()
    shown = [cleaner.feed(text) for text in ("try \ud83c", "\udfc9!", "\ud83c", "x", "\ud83c")]
    assert (shown, cleaner.end()) == (["try ", "🏉!", "", "\ufffdx", ""], "\ufffd")


async def test_half_a_pair_of_surrogates_waits_for_the_other(model: Model) -> None:
    model.script = Script(pieces=("kick \ud83c", "\udfc9\x00 and \udfc9", "\ud83c"), pause=0.02)
    text, _ = await heard(client(model))
    assert text == "kick 🏉\ufffd and \ufffd\ufffd"


async def test_what_cannot_be_encoded_is_asked_cleaned(model: Model) -> None:
    await heard(client(model), Conversation((Turn("user", "a\ud800b"),)))
    assert model.requests[0].prompt == "a\ufffdb"


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"error": {"message": "Incorrect API key sk-test-0123456789"}}, Refused, "the key"),
        (403, "", Refused, "the key"),
        (402, {"error": "Insufficient credits"}, Refused, "no credit"),
        (429, {"error": {"code": "insufficient_quota", "message": "x"}}, Refused, "no credit"),
        (429, {"error": {"message": "slow down"}}, Busy, "is busy. Try again in a moment."),
        (503, b"<html>", Busy, "is busy"),
        (400, {"error": {"message": "bad\r\n\x00 value"}}, Rejected, "(“bad � value”)"),
        (404, {"detail": "model `m-1` not found"}, Rejected, "(“model `m-1` not found”)"),
        (400, {"error": {"type": "exceed_context_size_error"}}, Rejected, "too long"),
        (413, b"", Rejected, "rejected the request."),
        (302, b"", Rejected, "redirects elsewhere"),
        (500, {"error": {"message": "CUDA error at 0x7f"}}, ProviderError, "(500)"),
        (502, b"<html>bad gateway</html>", Unreachable, "cannot be reached"),
    ],
)
async def test_a_status_becomes_a_plain_sentence(
    model: Model, status: int, body: Any, kind: type[ProviderError], words: str
) -> None:
    model.script = Script(status=status, body=body, headers={"Location": "http://127.0.0.1:1/"})
    _, failure = await failed(client(model))
    assert type(failure) is kind
    assert words in failure.sentence
    assert "127.0.0.1" in failure.sentence or "too long" in failure.sentence
    assert model.key not in failure.sentence
    assert len(failure.sentence) < 300
    assert failure.sentence.endswith(".")
    assert len(model.requests) == 1


def test_which_failures_are_worth_another_try() -> None:
    family = (ProviderError, Unreachable, Refused, Busy, Rejected, Nonsense)
    assert [kind.retryable for kind in family] == [True, True, False, True, False, True]


async def test_retry_after_is_honoured_in_seconds(model: Model) -> None:
    model.script = Script(status=429, headers={"Retry-After": "7"})
    _, failure = await failed(client(model))
    assert failure.retry_after == 7.0
    assert "in 7 seconds" in failure.sentence


def test_retry_after_is_read_in_both_forms_and_capped() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert retry_after(format_datetime(soon, usegmt=True)) == pytest.approx(90, abs=2)
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after("1.5") == 1.5
    assert retry_after("-3") == 0.0
    assert retry_after("99999999") == LONGEST_WAIT_S
    assert [retry_after(bad) for bad in (None, "", "soon", "nan", "inf", "1,2")] == [None] * 6


async def test_an_error_in_mid_stream_comes_after_the_text_before_it(model: Model) -> None:
    model.script = Script(
        pieces=("So far ", "so good"), error={"message": "GPU \x00 on fire", "code": 500}
    )
    text, failure = await failed(client(model))
    assert (text, type(failure)) == ("So far so good", ProviderError)
    model.script = Script(pieces=("a",), error="overheated")
    _, failure = await failed(client(model))
    assert "(“overheated”)" in failure.sentence
    model.script = Script(pieces=("a",), error={"type": "rate_limit_error", "message": "x"})
    _, failure = await failed(client(model))
    assert type(failure) is Busy


async def test_an_error_is_read_before_the_choices_and_also_in_a_200(model: Model) -> None:
    error = {"message": "No such model", "code": 404}
    model.script = Script(body={"error": error, "choices": [{"message": {"content": "x"}}]})
    text, failure = await failed(client(model))
    assert (text, type(failure)) == ("", Rejected)
    model.script = Script(raw=b'data: {"error":"no","choices":[{"delta":{"content":"x"}}]}\n\n')
    text, failure = await failed(client(model))
    assert (text, type(failure)) == ("", ProviderError)


@pytest.mark.parametrize("how", [{"breaks": True}, {"ends": True}])
async def test_a_stream_that_just_ends_broke_off(model: Model, how: dict[str, Any]) -> None:
    model.script = Script(pieces=("Half an ans",), **how)
    text, failure = await failed(client(model))
    assert (text, type(failure)) == ("Half an ans", Unreachable)
    assert "broke off" in failure.sentence


async def test_a_connection_that_breaks_after_the_finish_does_no_harm(model: Model) -> None:
    model.script = Script(raw=event(content="Whole.") + END, breaks=True)
    assert await heard(client(model)) == ("Whole.", Finish("stop"))


@pytest.mark.parametrize(
    "raw",
    [
        b"<html><body>Welcome</body></html>",
        b"data: [DONE]\n\n",
        b"data: {broken\n\n",
        b"data: [1]\n\n",
        b"\x00\xff\xfe\x80" * 100,
        b'{"hello": "world"}',
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
async def test_nonsense_is_called_so(model: Model, raw: bytes) -> None:
    model.script = Script(raw=raw)
    _, failure = await failed(client(model))
    assert type(failure) is Nonsense


async def test_text_before_nonsense_is_kept(model: Model) -> None:
    model.script = Script(raw=event(content="Kept. ") + b"data: {oops\n\n")
    text, failure = await failed(client(model))
    assert (text, type(failure)) == ("Kept. ", Nonsense)


async def test_a_compressed_answer_is_nonsense_and_never_unpacked(model: Model) -> None:
    model.script = Script(raw=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    _, failure = await failed(client(model))
    assert type(failure) is Nonsense
    assert "compresses" in failure.sentence


async def test_an_endpoint_that_runs_away_is_stopped(model: Model) -> None:
    model.script = Script(pieces=("x" * 100_000,) * 30)
    _, failure = await failed(client(model))
    assert type(failure) is Nonsense
    until(lambda: model.running == 0, what="the stream is closed")


async def test_nobody_there_and_no_answer_are_unreachable(model: Model) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    provider = OpenAICompatible(f"http://{nobody}/v1", "k", "m", listed=frozenset({nobody}))
    _, failure = await failed(provider)
    assert type(failure) is Unreachable
    assert "cannot be reached" in failure.sentence
    model.script = Script(silent=True)
    _, failure = await failed(client(model, first_byte_s=0.2))
    assert type(failure) is Unreachable
    model.script = Script(pieces=("a", "b"), gate_at=1)
    text, failure = await failed(client(model, piece_s=0.2))
    assert (text, type(failure)) == ("a", Unreachable)
    until(lambda: model.running == 0, what="both streams are closed")


@pytest.mark.parametrize(
    ("complaint", "left", "there"),
    [
        ("Unknown field: stream_options", "stream_options", ""),
        ("Use 'max_completion_tokens' instead.", "max_tokens", "max_completion_tokens"),
        ("'temperature' does not support 0.7 with this model.", "temperature", ""),
    ],
)
async def test_a_parameter_that_is_refused_is_left_out_from_then_on(
    model: Model, complaint: str, left: str, there: str
) -> None:
    no = Script(status=400, body={"error": {"message": complaint}})
    model.script = lambda asked: no if left in asked.body else Script()
    provider = client(model)
    pieces = [piece async for piece in provider.answer(HELLO)]
    assert isinstance(pieces[-1], Finish)
    text, _ = await heard(provider)
    assert text == FIXED
    assert [left in asked.body for asked in model.requests] == [True, False, False]
    assert not there or there in model.requests[1].body


async def test_a_refusal_that_does_not_help_is_not_asked_for_ever(model: Model) -> None:
    said = "stream_options, max_completion_tokens and temperature are all wrong"
    model.script = Script(status=400, body={"error": said})
    _, failure = await failed(client(model))
    assert type(failure) is Rejected
    assert len(model.requests) == 3


async def test_an_unfinished_answer_is_asked_to_be_continued(model: Model) -> None:
    unfinished = Conversation((Turn("user", "Count."),), unfinished="One, two")
    await heard(client(model), unfinished)
    await heard(client(model, prefills=True, extra={"seed": 1}), unfinished)
    asked, prefilled = model.requests
    assert asked.body["messages"][1:] == [
        {"role": "assistant", "content": "One, two"},
        {"role": "user", "content": CONTINUE},
    ]
    assert prefilled.body["messages"][1:] == [{"role": "assistant", "content": "One, two"}]
    assert prefilled.body["continue_final_message"] is True
    assert prefilled.body["add_generation_prompt"] is False
    assert prefilled.body["seed"] == 1


@pytest.mark.parametrize("script", [Script(silent=True), Script(gate_at=0), Script(gate_at=2)])
async def test_cancelling_hangs_up_at_once(model: Model, script: Script) -> None:
    model.script = script
    provider = client(model)

    async def listen() -> None:
        async for _ in provider.answer(HELLO):
            pass

    task = asyncio.create_task(listen())
    await asyncio.to_thread(until, lambda: model.running == 1)
    await asyncio.sleep(0.05)
    task.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(until, lambda: model.running == 0, 1.0)
    assert time.monotonic() - started < 0.5
    await provider.close()


async def test_closing_the_iterator_hangs_up_at_once(model: Model) -> None:
    model.script = Script(pause=30.0)
    provider = client(model)
    async with aclosing(provider.answer(HELLO)) as pieces:
        assert await anext(pieces)
        assert model.running == 1
    await asyncio.to_thread(until, lambda: model.running == 0, 1.0)
    await provider.close()


async def test_a_slow_reader_makes_the_endpoint_wait(model: Model) -> None:
    pings = (b": " + b"x" * 1000 + b"\n") * 20_000  # 20 MB
    model.script = Script(raw=event(content="a") + pings + event(content="b") + END)
    provider = client(model)
    pieces = provider.answer(HELLO)
    assert await anext(pieces) == "a"
    await asyncio.sleep(0.3)  # in which all of it could have been read, and is not
    assert model.running == 1
    assert [piece async for piece in pieces] == ["b", Finish("stop")]
    await asyncio.to_thread(until, lambda: model.running == 0)
    await provider.close()


async def test_hanging_up_at_any_moment_leaves_no_socket(model: Model) -> None:
    model.script = Script(pause=0.001)
    provider = client(model)
    await heard_from(provider)  # whatever opens once is open now
    before = psutil.Process().num_fds()
    chance = random.Random(4)
    for _ in range(200):
        task = asyncio.create_task(heard_from(provider))
        await asyncio.sleep(chance.uniform(0, 0.03))
        task.cancel()
        await asyncio.wait([task])
    await asyncio.to_thread(until, lambda: model.running == 0)
    await asyncio.to_thread(until, lambda: psutil.Process().num_fds() <= before)
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


async def test_the_check_says_how_long_the_first_word_took(model: Model) -> None:
    provider = client(model)
    sentence = await provider.check()
    assert sentence.startswith("“m-1” answers: its first word came after 0.")
    assert model.requests[0].body["max_tokens"] == 16
    model.script = Script(pieces=())
    assert "without a word" in await provider.check()
    model.script = Script(status=401)
    with pytest.raises(Refused):
        await provider.check()
    await provider.close()


async def test_hundreds_of_streams_at_once(model: Model) -> None:
    model.script = Script(gate_at=1)
    provider = client(model)
    answers = [asyncio.create_task(heard_from(provider)) for _ in range(300)]
    await asyncio.to_thread(until, lambda: model.running == 300, 30.0)
    model.gate.set()
    assert await asyncio.gather(*answers) == [FIXED] * 300
    await provider.close()


async def heard_from(provider: OpenAICompatible) -> str:
    pieces = [piece async for piece in provider.answer(HELLO)]
    return "".join(piece for piece in pieces if isinstance(piece, str))
