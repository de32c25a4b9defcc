"""Error responses become plain sentences; refused parameters are left out in a retry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from chats.providers.base import (
    Busy,
    Finish,
    InvalidResponse,
    ProviderError,
    Refused,
    Rejected,
    TooLong,
    Unreachable,
)
from chats.providers.errors import MAX_RETRY_AFTER_S, retry_after
from tests.chats.providers.asking import HELLO, answer_of, client, failure_of
from tests.endpoint import FIXED, Model, Script


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
        (
            404,
            {"detail": "model `m-1` not found"},
            Rejected,
            "knows no such model or address (“model `m-1` not found”)",
        ),
        (400, {"error": {"type": "exceed_context_size_error"}}, TooLong, "too long"),
        (413, b"", Rejected, "rejected the request."),
        (302, b"", Rejected, "redirects elsewhere"),
        (500, {"error": {"message": "CUDA error at 0x7f"}}, ProviderError, "(500)"),
        (502, b"<html>bad gateway</html>", Unreachable, "cannot be reached"),
    ],
)
async def test_error_status_becomes_a_sentence(
    model: Model, status: int, body: Any, kind: type[ProviderError], words: str
) -> None:
    model.script = Script(status=status, body=body, headers={"Location": "http://127.0.0.1:1/"})
    _, failure = await failure_of(client(model))
    assert type(failure) is kind
    assert words in failure.sentence
    assert "127.0.0.1" in failure.sentence or "too long" in failure.sentence
    assert model.key not in failure.sentence
    assert len(failure.sentence) < 300
    assert failure.sentence.endswith(".")
    assert len(model.requests) == 1


def test_which_errors_are_retryable() -> None:
    family = (ProviderError, Unreachable, Refused, Busy, Rejected, InvalidResponse)
    assert [kind.retryable for kind in family] == [True, True, False, True, False, True]


async def test_retry_after_is_reported_in_seconds(model: Model) -> None:
    model.script = Script(status=429, headers={"Retry-After": "7"})
    _, failure = await failure_of(client(model))
    assert failure.retry_after == 7.0
    assert "in 7 seconds" in failure.sentence


def test_retry_after_is_parsed_in_both_formats_and_limited() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert 60 < (retry_after(format_datetime(soon, usegmt=True)) or 0) <= 90
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after("1.5") == 1.5
    assert retry_after("-3") == 0.0
    assert retry_after("99999999") == MAX_RETRY_AFTER_S
    assert [retry_after(bad) for bad in (None, "", "soon", "nan", "inf", "1,2")] == [None] * 6


async def test_error_in_the_stream_is_raised_after_the_text_before_it(model: Model) -> None:
    model.script = Script(
        pieces=("So far ", "so good"), error={"message": "GPU \x00 on fire", "code": 500}
    )
    text, failure = await failure_of(client(model))
    assert (text, type(failure)) == ("So far so good", ProviderError)
    model.script = Script(pieces=("a",), error="overheated")
    _, failure = await failure_of(client(model))
    assert "(“overheated”)" in failure.sentence
    model.script = Script(pieces=("a",), error={"type": "rate_limit_error", "message": "x"})
    _, failure = await failure_of(client(model))
    assert type(failure) is Busy


async def test_error_wins_over_choices_even_with_status_200(model: Model) -> None:
    error = {"message": "No such model", "code": 404}
    model.script = Script(body={"error": error, "choices": [{"message": {"content": "x"}}]})
    text, failure = await failure_of(client(model))
    assert (text, type(failure)) == ("", Rejected)
    model.script = Script(raw=b'data: {"error":"no","choices":[{"delta":{"content":"x"}}]}\n\n')
    text, failure = await failure_of(client(model))
    assert (text, type(failure)) == ("", ProviderError)


@pytest.mark.parametrize(
    ("complaint", "left", "there"),
    [
        ("Unknown field: stream_options", "stream_options", ""),
        ("Use 'max_completion_tokens' instead.", "max_tokens", "max_completion_tokens"),
        ("'temperature' does not support 0.7 with this model.", "temperature", ""),
    ],
)
async def test_refused_parameter_is_left_out_from_then_on(
    model: Model, complaint: str, left: str, there: str
) -> None:
    no = Script(status=400, body={"error": {"message": complaint}})
    model.script = lambda request: no if left in request.body else Script()
    provider = client(model)
    pieces = [piece async for piece in provider.answer(HELLO)]
    assert isinstance(pieces[-1], Finish)
    text, _ = await answer_of(provider)
    assert text == FIXED
    assert [left in request.body for request in model.requests] == [True, False, False]
    assert not there or there in model.requests[1].body


async def test_retries_without_parameters_are_limited(model: Model) -> None:
    message = "stream_options, max_completion_tokens and temperature are all wrong"
    model.script = Script(status=400, body={"error": message})
    _, failure = await failure_of(client(model))
    assert type(failure) is Rejected
    assert len(model.requests) == 3
