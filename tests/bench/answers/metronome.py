"""Tokens at a steady rate for many streams of one process; each token contains its time.

One timer with phases serves all streams, so that neither the timers nor bursts dominate the
measurement. It is the same in every contestant.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

PHASES = 10


class Metronome:
    """Produces `rate` tokens per second for each call of `tokens`."""

    def __init__(self, rate: float) -> None:
        self._step = 1 / rate / PHASES
        self._waiting: list[list[asyncio.Future[None]]] = [[] for _ in range(PHASES)]
        self._joined = 0
        self._beating: asyncio.Task[None] | None = None

    async def tokens(self, seconds: float) -> AsyncGenerator[str, None]:
        """Yield tokens for `seconds`: `T` and unix ms."""
        loop = asyncio.get_running_loop()
        if self._beating is None:
            self._beating = loop.create_task(self._beat())
        self._joined += 1
        phase = self._waiting[self._joined % PHASES]
        until = loop.time() + seconds
        while loop.time() < until:
            tick = loop.create_future()
            phase.append(tick)
            await tick
            yield f"T{time.time() * 1000:.0f} "

    async def _beat(self) -> None:
        at, number = asyncio.get_running_loop().time(), 0
        while True:
            at += self._step
            await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
            number += 1
            phase = self._waiting[number % PHASES]
            due, phase[:] = phase[:], []
            for tick in due:
                if not tick.done():
                    tick.set_result(None)
