"""One publisher's slots: what it sent last, and what it is to be told. Django-free."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from cameras.live.messages import Message, words
from cameras.live.viewers import Wire

RATE = 60.0  # messages a second for ever; a large one counts once more for each MiB
BURST_S = 5.0  # what the network held back may come at once
MIB = 1024 * 1024


class Allowance:
    """How much a publisher may send: `RATE`, and what it saved up in `BURST_S`."""

    def __init__(self) -> None:
        self._left = RATE * BURST_S
        self._looked_at = time.monotonic()

    def spend(self, messages: float) -> bool:
        """False where more was sent than is allowed."""
        now = time.monotonic()
        saved = self._left + (now - self._looked_at) * RATE
        self._left, self._looked_at = min(saved, RATE * BURST_S) - messages, now
        return self._left >= 0


class Publisher:
    """Who sends a camera's pictures. On a wire it is answered without waiting.

    Bound: the newest message that was not looked at, and the newest answer that was not taken;
    newest wins. Messages that nobody looked at are counted, and told with the next answer.
    """

    def __init__(self, wire: Wire | None = None) -> None:
        self._wire = wire
        self._allowance = Allowance()
        self._message: bytes | None = None
        self._news = asyncio.Event()
        self._answer: dict[str, Any] | None = None
        self._dropped = 0

    def hear(self, message: bytes) -> bool:
        """Put into the slot, over one that was not looked at. False where it sends too much."""
        self._dropped += self._message is not None
        self._message = message
        self._news.set()
        return self._allowance.spend(1 + len(message) / MIB)

    def blame(self) -> bool:
        """What it sent is nonsense, which counts twice. False where it sends too much."""
        return self._allowance.spend(1)

    async def next(self) -> bytes:
        """The newest message, once."""
        while self._message is None:
            self._news.clear()
            await self._news.wait()
        message, self._message = self._message, None
        return message

    def tell(self, answer: dict[str, Any]) -> None:
        """Put into the slot of answers; an acknowledgement is one of all before, too."""
        self._answer = answer
        self._speak()

    def take_answer(self) -> Message | None:
        """The newest answer not yet taken, with `dropped` where messages were dropped."""
        answer, self._answer = self._answer, None
        if answer is None:
            return None
        dropped, self._dropped = self._dropped, 0
        return words(answer | ({"dropped": dropped} if dropped else {}))

    def leave(self) -> None:
        """Say nothing more."""
        self._wire = self._answer = None

    def _speak(self) -> None:
        wire = self._wire
        if wire is None:
            return
        if not wire.ready:
            wire.call_when_ready(self._speak)
        elif (message := self.take_answer()) is not None:
            wire.write(message.framed)
