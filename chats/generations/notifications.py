"""What processes tell each other of answers: which logs have grown, and whom to stop.

The log is the truth: what gets lost here is found there, a little later.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings

log = logging.getLogger(__name__)

GROUP = "chats"
LOOK_S = 1.0  # a log is looked at that often even if nobody says that it has grown
RETRY_S = 1.0
SEND_S = 1.0


class Notifications:
    """Without Redis there is nobody to tell: what happens here is known here."""

    def __init__(self, stop: Callable[[uuid.UUID], None]) -> None:
        self._stop = stop
        self._waiting: dict[uuid.UUID, set[asyncio.Event]] = {}

    async def tell(self, grown: Collection[uuid.UUID]) -> None:
        """Their logs have grown."""
        self._wake(grown)
        if grown:
            await self._send({"type": "chats.grown", "ids": [str(pk) for pk in grown]})

    async def request_stop(self, generation_id: uuid.UUID) -> None:
        """Whoever makes the answer is to end it; the row says so, too."""
        self._stop(generation_id)
        await self._send({"type": "chats.stop", "ids": [str(generation_id)]})

    async def log_grown(self, generation_id: uuid.UUID) -> None:
        """Until the log has grown, or is worth a look."""
        grown = asyncio.Event()
        waiting = self._waiting.setdefault(generation_id, set())
        waiting.add(grown)
        try:
            async with asyncio.timeout(LOOK_S):
                await grown.wait()
        except TimeoutError:
            pass
        finally:
            waiting.discard(grown)
            if not waiting:
                self._waiting.pop(generation_id, None)

    async def listen(self) -> None:
        """For ever, where there are other processes."""
        while settings.REDIS_URL:
            try:
                await self._listen()
            except Exception as error:
                log.warning("no news of answers in other processes, trying again: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        try:
            await layer.group_add(GROUP, channel)
            while True:
                message = await layer.receive(channel)
                ids = [uuid.UUID(each) for each in message["ids"]]
                if message["type"] == "chats.grown":
                    self._wake(ids)
                else:
                    for generation_id in ids:
                        self._stop(generation_id)
        finally:
            await layer.group_discard(GROUP, channel)

    def _wake(self, ids: Collection[uuid.UUID]) -> None:
        for generation_id in ids:
            for grown in self._waiting.get(generation_id, ()):
                grown.set()

    async def _send(self, message: dict[str, Any]) -> None:
        if not settings.REDIS_URL:
            return
        try:
            async with asyncio.timeout(SEND_S):  # a Redis that hangs must not hold up the log
                await get_channel_layer().group_send(GROUP, message)
        except Exception as error:
            log.warning("other processes could not be told of answers: %s", error)
