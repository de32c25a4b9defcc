"""Streams that break off, run away, say nothing, or are none."""

from __future__ import annotations

from typing import Any

import pytest

from chats.providers.base import Finish, InvalidResponse, Unreachable
from chats.providers.openai import OpenAICompatible
from tests.chats.providers.asking import END, client, event, failed, heard
from tests.endpoint import Model, Script
from tests.waiting import free_port, until


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
    assert type(failure) is InvalidResponse


async def test_text_before_nonsense_is_kept(model: Model) -> None:
    model.script = Script(raw=event(content="Kept. ") + b"data: {oops\n\n")
    text, failure = await failed(client(model))
    assert (text, type(failure)) == ("Kept. ", InvalidResponse)


async def test_a_compressed_answer_is_nonsense_and_never_unpacked(model: Model) -> None:
    model.script = Script(raw=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    _, failure = await failed(client(model))
    assert type(failure) is InvalidResponse
    assert "compresses" in failure.sentence


async def test_an_endpoint_that_runs_away_is_stopped(model: Model) -> None:
    model.script = Script(pieces=("x" * 100_000,) * 30)
    _, failure = await failed(client(model))
    assert type(failure) is InvalidResponse
    until(lambda: model.running == 0, 30, "the stream to be closed")


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
    text, failure = await failed(client(model, piece_s=2.0))
    assert (text, type(failure)) == ("a", Unreachable)
    until(lambda: model.running == 0, 30, "both streams to be closed")
