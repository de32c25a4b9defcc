"""Hanging up on a model: at any moment, and without a socket left."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing

import httpx
import psutil
import pytest

from chats.providers import openai
from chats.providers.base import Finish
from chats.providers.transport import MAX_BUFFERED, BodyReader
from tests.chats.providers.asking import END, HELLO, client, event, heard_from
from tests.endpoint import Model, Script
from tests.waiting import soon


def is_reading() -> bool:
    """Whether an answer has begun to come."""
    return any(task.get_name() == "reading a model's answer" for task in asyncio.all_tasks())


@pytest.mark.parametrize(
    ("script", "begun", "so_far"),
    [(Script(silent=True), False, ""), (Script(gate_at=0), True, ""),
     (Script(gate_at=2), True, "You asked ")],
    ids=["before its status", "before its first token", "in the middle"],
)  # fmt: skip
async def test_cancelling_hangs_up(model: Model, script: Script, begun: bool, so_far: str) -> None:
    """It is not waited for what would have come: nothing does."""
    model.script = script
    provider = client(model)
    told: list[str] = []

    async def listen() -> None:
        async for piece in provider.answer(HELLO):
            told.append(str(piece))

    task = asyncio.create_task(listen())
    await soon(lambda: model.running == 1 and is_reading() == begun and "".join(told) == so_far, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await soon(lambda: model.running == 0, 30)
    await provider.close()


async def test_closing_the_iterator_hangs_up(model: Model) -> None:
    model.script = Script(gate_at=1)
    provider = client(model)
    async with aclosing(provider.answer(HELLO)) as pieces:
        assert await anext(pieces)
        assert model.running == 1
    await soon(lambda: model.running == 0, 30)
    await provider.close()


async def test_a_slow_reader_makes_the_endpoint_wait(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[BodyReader] = []

    def kept(response: httpx.Response) -> BodyReader:
        came.append(BodyReader(response))
        return came[-1]

    monkeypatch.setattr(openai, "BodyReader", kept)
    pings = (b": " + b"x" * 1000 + b"\n") * 20_000  # 20 MB, more than the sockets' buffers take
    model.script = Script(raw=event(content="a") + pings + event(content="b") + END)
    provider = client(model)
    pieces = provider.answer(HELLO)
    assert await anext(pieces) == "a"
    await soon(lambda: not came[0]._has_room.is_set())  # and from now on nothing is read
    assert MAX_BUFFERED < came[0]._size < 2 * MAX_BUFFERED
    assert model.running == 1
    assert [piece async for piece in pieces] == ["b", Finish("stop")]
    await soon(lambda: model.running == 0, 30)
    await provider.close()


async def test_hanging_up_at_any_moment_leaves_no_socket(model: Model) -> None:
    model.script = Script(pause=0.001)
    provider = client(model)
    await heard_from(provider)  # whatever opens once is open now
    before = psutil.Process().num_fds()
    chance = random.Random(4)
    for _ in range(100):
        task = asyncio.create_task(heard_from(provider))
        await asyncio.sleep(chance.uniform(0, 0.03))
        task.cancel()
        await asyncio.wait([task])
    await soon(lambda: model.running == 0 and psutil.Process().num_fds() <= before, 30)
    await provider.close()
