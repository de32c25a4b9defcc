"""How fast the built-in model answers and stops, at its low priority."""

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
ATTEMPTS = 3  # of a measurement; the best counts, as the machine may be busy


@pytest.fixture(scope="module")
def model() -> Iterator[Embedded]:
    """A running model, shared by the tests that do not end it."""
    model = Embedded()
    yield model
    model.end()


async def first_token(model: Embedded, text: str) -> float:
    """Return the seconds until the first token."""
    started = time.perf_counter()
    async with aclosing(model.answer(ask(text, max_tokens=4))) as pieces:
        assert isinstance(await anext(pieces), str)
        return time.perf_counter() - started


async def busy_for(server: psutil.Process) -> float:
    """Return for how many seconds from now it uses more than a quarter of a core."""
    started = time.monotonic()
    last, before = 0.0, cpu_seconds(server)
    while time.monotonic() - started < 1.5:
        await asyncio.sleep(0.1)
        now = cpu_seconds(server)
        if now - before > 0.025:
            last = time.monotonic() - started
        before = now
    return last


async def best(measure: Callable[[], Awaitable[float]], bound: float, label: str) -> None:
    """Assert that the best attempt is within `bound` seconds, given for two idle cores.

    The model has low priority, so the bound grows with the load of the machine.
    """
    bound *= max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    attempts: list[float] = []
    while len(attempts) < ATTEMPTS and (not attempts or min(attempts) > bound):
        attempts.append(await measure())
    print(f"{label}: {', '.join(f'{seconds * 1000:.0f}' for seconds in attempts)} ms")
    assert min(attempts) <= bound


async def test_first_token_after_a_cold_start_is_fast() -> None:
    async def cold() -> float:
        model = Embedded()
        try:
            return await first_token(model, "Who won?")
        finally:
            await model.close()

    await best(cold, COLD_S, "first token, cold")


async def test_first_token_of_a_running_model_is_fast(model: Embedded) -> None:
    questions = iter(f"Question {n}: who won the game on Saturday?" for n in range(99))
    await first_token(model, next(questions))

    async def warm() -> float:
        return statistics.median([await first_token(model, next(questions)) for _ in range(3)])

    await best(warm, WARM_S, "first token, warm")


@pytest.mark.parametrize("before_the_first_token", [False, True])
async def test_cancelling_stops_the_model(model: Embedded, before_the_first_token: bool) -> None:
    turn = iter(range(99))

    async def stopped() -> float:
        text = f"{next(turn)}. {LONG if before_the_first_token else STORY}"  # nothing cached
        received: list[str | Finish] = []

        async def listen() -> None:
            async for piece in model.answer(ask(text, max_tokens=2000)):
                received.append(piece)

        task = asyncio.create_task(listen())
        while not received and not before_the_first_token:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        before = cpu_seconds(process(model))
        await asyncio.sleep(0.2)
        assert cpu_seconds(process(model)) > before, "it was working"
        assert before_the_first_token == (not received)
        task.cancel()
        await asyncio.wait([task])
        return await busy_for(process(model))

    await collect(model, ask("Hello.", max_tokens=1))
    when = "before the first token" if before_the_first_token else "in mid-answer"
    await best(stopped, IDLE_S, f"stopped {when}, busy for")


async def test_closing_the_iterator_stops_the_model_soon(model: Embedded) -> None:
    async with aclosing(model.answer(ask(STORY, max_tokens=2000))) as pieces:
        await anext(pieces)
    assert await busy_for(process(model)) <= 2 * IDLE_S


async def test_four_chats_share_the_model_fairly(model: Embedded) -> None:
    counts = [0] * 4
    started = asyncio.Event()

    async def listen(index: int) -> None:
        async for piece in model.answer(ask(f"{STORY} Call it number {index}.", max_tokens=400)):
            counts[index] += len(piece) if isinstance(piece, str) else 0
            if all(counts):
                started.set()

    tasks = [asyncio.create_task(listen(index)) for index in range(4)]
    await asyncio.wait_for(started.wait(), 20)
    before = list(counts)
    await asyncio.sleep(1.5)
    counts_since = [now - then for now, then in zip(counts, before, strict=True)]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    print("characters within 1.5 s:", counts_since)
    assert max(counts_since) < 2 * min(counts_since)


async def test_process_ends_fast() -> None:
    model = Embedded()
    await collect(model, ask("Hello.", max_tokens=1))
    started = time.monotonic()
    model.end()
    assert time.monotonic() - started < END_S
