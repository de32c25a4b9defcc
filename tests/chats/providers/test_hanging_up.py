"""Disconnecting from a model at any moment, without leaking a socket."""

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
from tests.chats.providers.asking import END, HELLO, answer_text, client, event
from tests.endpoint import Model, Script
from tests.waiting import until_async


def is_reading() -> bool:
    """Whether the body of an answer is being read."""
    return any(task.get_name() == "reading a model's answer" for task in asyncio.all_tasks())


@pytest.mark.parametrize(
    ("script", "begun", "so_far"),
    [(Script(silent=True), False, ""), (Script(gate_at=0), True, ""),
     (Script(gate_at=2), True, "You asked ")],
    ids=["before its status", "before its first token", "in the middle"],
)  # fmt: skip
async def test_cancelling_disconnects(
    model: Model, script: Script, begun: bool, so_far: str
) -> None:
    """The endpoint sends nothing more, so this does not wait for the rest of the answer."""
    model.script = script
    provider = client(model)
    received: list[str] = []

    async def listen() -> None:
        async for piece in provider.answer(HELLO):
            received.append(str(piece))

    task = asyncio.create_task(listen())
    await until_async(
        lambda: model.running == 1 and is_reading() == begun and "".join(received) == so_far, 30
    )
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_async(lambda: model.running == 0, 30)
    await provider.close()


async def test_closing_the_iterator_disconnects(model: Model) -> None:
    model.script = Script(gate_at=1)
    provider = client(model)
    async with aclosing(provider.answer(HELLO)) as pieces:
        assert await anext(pieces)
        assert model.running == 1
    await until_async(lambda: model.running == 0, 30)
    await provider.close()


async def test_slow_reader_makes_the_endpoint_wait(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[BodyReader] = []

    def record(response: httpx.Response) -> BodyReader:
        readers.append(BodyReader(response))
        return readers[-1]

    monkeypatch.setattr(openai, "BodyReader", record)
    pings = (b": " + b"x" * 1000 + b"\n") * 20_000  # 20 MB, more than the socket buffers hold
    model.script = Script(raw=event(content="a") + pings + event(content="b") + END)
    provider = client(model)
    pieces = provider.answer(HELLO)
    assert await anext(pieces) == "a"
    await until_async(lambda: not readers[0]._has_room.is_set())  # from now on nothing is read
    assert MAX_BUFFERED < readers[0]._size < 2 * MAX_BUFFERED
    assert model.running == 1
    assert [piece async for piece in pieces] == ["b", Finish("stop")]
    await until_async(lambda: model.running == 0, 30)
    await provider.close()


async def test_disconnecting_at_any_moment_leaks_no_socket(model: Model) -> None:
    model.script = Script(pause=0.001)
    provider = client(model)
    await answer_text(provider)  # opens what stays open
    before = psutil.Process().num_fds()
    generator = random.Random(4)
    for _ in range(100):
        task = asyncio.create_task(answer_text(provider))
        await asyncio.sleep(generator.uniform(0, 0.03))
        task.cancel()
        await asyncio.wait([task])
    await until_async(lambda: model.running == 0 and psutil.Process().num_fds() <= before, 30)
    await provider.close()
