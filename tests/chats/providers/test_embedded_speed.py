"""How soon the built-in model answers and stops, at its low priority."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import psutil
import pytest

from chats.providers.base import Finish
from chats.providers.embedded import Embedded
from tests.chats.providers.embedded import LONG, STORY, ask, collect, cpu_seconds, process

pytestmark = pytest.mark.timing

COLD_S, WARM_S, IDLE_S, END_S = 2.0, 0.5, 0.5, 1.5
TRIES = 3  # of a measurement, on a machine that does other things too: the best one counts


@pytest.fixture(scope="module")
def model() -> Iterator[Embedded]:
    """One that runs, for all tests that leave it alive."""
    model = Embedded()
    yield model
    model.end()


async def first_token(model: Embedded, text: str) -> float:
    """Seconds until it came."""
    started = time.perf_counter()
    async with aclosing(model.answer(ask(text, most=4))) as pieces:
        assert isinstance(await anext(pieces), str)
        return time.perf_counter() - started


async def busy_for(server: psutil.Process) -> float:
    """For how many seconds from now it uses a core by a quarter and more."""
    started = time.monotonic()
    last, before = 0.0, cpu_seconds(server)
    while time.monotonic() - started < 1.5:
        await asyncio.sleep(0.1)
        now = cpu_seconds(server)
        if now - before > 0.025:
            last = time.monotonic() - started
        before = now
    return last


async def best(measure: Callable[[], Awaitable[float]], bound: float, what: str) -> None:
    """The best of some tries is within the bound, which is for two cores that are free.

    The model has low priority: where others want the cores too, it gets more time.
    """
    bound *= max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    tries: list[float] = []
    while len(tries) < TRIES and (not tries or min(tries) > bound):
        tries.append(await measure())
    print(f"{what}: {', '.join(f'{seconds * 1000:.0f}' for seconds in tries)} ms")
    assert min(tries) <= bound


async def test_the_first_token_comes_soon_also_from_a_cold_start() -> None:
    async def cold() -> float:
        model = Embedded()
        try:
            return await first_token(model, "Who won?")
        finally:
            await model.close()

    await best(cold, COLD_S, "first token, cold")


async def test_the_first_token_of_a_running_model_comes_at_once(model: Embedded) -> None:
    questions = iter(f"Question {n}: who won the game on Saturday?" for n in range(99))
    await first_token(model, next(questions))

    async def warm() -> float:
        return statistics.median([await first_token(model, next(questions)) for _ in range(3)])

    await best(warm, WARM_S, "first token, warm")


@pytest.mark.parametrize("before_the_first_token", [False, True])
async def test_stopping_really_stops_the_model(
    model: Embedded, before_the_first_token: bool
) -> None:
    turn = iter(range(99))

    async def stopped() -> float:
        text = f"{next(turn)}. {LONG if before_the_first_token else STORY}"  # nothing cached
        came: list[str | Finish] = []

        async def listen() -> None:
            async for piece in model.answer(ask(text, most=2000)):
                came.append(piece)

        task = asyncio.create_task(listen())
        while not came and not before_the_first_token:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        before = cpu_seconds(process(model))
        await asyncio.sleep(0.2)
        assert cpu_seconds(process(model)) > before, "it was at work"
        assert before_the_first_token == (not came)
        task.cancel()
        await asyncio.wait([task])
        return await busy_for(process(model))

    await collect(model, ask("Hello.", most=1))
    when = "before the first token" if before_the_first_token else "in mid-answer"
    await best(stopped, IDLE_S, f"stopped {when}, busy for")


async def test_closing_the_iterator_stops_the_model_too(model: Embedded) -> None:
    async with aclosing(model.answer(ask(STORY, most=2000))) as pieces:
        await anext(pieces)
    assert await busy_for(process(model)) <= 2 * IDLE_S


async def test_four_chats_share_it_fairly(model: Embedded) -> None:
    counts = [0] * 4
    started = asyncio.Event()

    async def listen(index: int) -> None:
        async for piece in model.answer(ask(f"{STORY} Call it number {index}.", most=400)):
            counts[index] += len(piece) if isinstance(piece, str) else 0
            if all(counts):
                started.set()

    tasks = [asyncio.create_task(listen(index)) for index in range(4)]
    await asyncio.wait_for(started.wait(), 20)
    before = list(counts)
    await asyncio.sleep(1.5)
    got = [now - then for now, then in zip(counts, before, strict=True)]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    print("characters within 1.5 s:", got)
    assert max(got) < 2 * min(got)


async def test_it_ends_at_once() -> None:
    model = Embedded()
    await collect(model, ask("Hello.", most=1))
    started = time.monotonic()
    model.end()
    assert time.monotonic() - started < END_S
