"""Streams that break, never end, stay silent, or are invalid."""

from __future__ import annotations

from typing import Any

import pytest

from chats.providers.base import Finish, InvalidResponse, Unreachable
from chats.providers.openai import OpenAICompatible
from tests.chats.providers.asking import END, answer_of, client, event, failure_of
from tests.endpoint import Model, Script
from tests.waiting import free_port, until


@pytest.mark.parametrize("how", [{"breaks": True}, {"ends": True}])
async def test_stream_without_finish_reason_is_unreachable(
    model: Model, how: dict[str, Any]
) -> None:
    model.script = Script(pieces=("Half an ans",), **how)
    text, failure = await failure_of(client(model))
    assert (text, type(failure)) == ("Half an ans", Unreachable)
    assert "broke off" in failure.sentence


async def test_connection_broken_after_the_finish_is_no_error(model: Model) -> None:
    model.script = Script(raw=event(content="Whole.") + END, breaks=True)
    assert await answer_of(client(model)) == ("Whole.", Finish("stop"))


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
async def test_invalid_response_is_rejected(model: Model, raw: bytes) -> None:
    model.script = Script(raw=raw)
    _, failure = await failure_of(client(model))
    assert type(failure) is InvalidResponse


async def test_text_before_an_invalid_event_is_kept(model: Model) -> None:
    model.script = Script(raw=event(content="Kept. ") + b"data: {oops\n\n")
    text, failure = await failure_of(client(model))
    assert (text, type(failure)) == ("Kept. ", InvalidResponse)


async def test_compressed_answer_is_rejected_and_not_decompressed(model: Model) -> None:
    model.script = Script(raw=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    _, failure = await failure_of(client(model))
    assert type(failure) is InvalidResponse
    assert "compresses" in failure.sentence


async def test_endless_answer_is_stopped(model: Model) -> None:
    model.script = Script(pieces=("x" * 100_000,) * 30)
    _, failure = await failure_of(client(model))
    assert type(failure) is InvalidResponse
    until(lambda: model.running == 0, 30, "the stream to be closed")


async def test_no_listener_and_no_answer_are_unreachable(model: Model) -> None:
    unused = f"127.0.0.1:{free_port()}"
    provider = OpenAICompatible(f"http://{unused}/v1", "k", "m", listed=frozenset({unused}))
    _, failure = await failure_of(provider)
    assert type(failure) is Unreachable
    assert "cannot be reached" in failure.sentence
    model.script = Script(silent=True)
    _, failure = await failure_of(client(model, first_byte_s=0.2))
    assert type(failure) is Unreachable
    model.script = Script(pieces=("a", "b"), gate_at=1)
    text, failure = await failure_of(client(model, piece_s=2.0))
    assert (text, type(failure)) == ("a", Unreachable)
    until(lambda: model.running == 0, 30, "both streams to be closed")
