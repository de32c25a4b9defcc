"""Hanging up on a model: at once, at any moment, and without a socket left."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import aclosing

import psutil
import pytest

from chats.providers.base import Finish
from tests.chats.providers.asking import END, HELLO, client, event, heard_from
from tests.endpoint import Model, Script
from tests.waiting import until


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
