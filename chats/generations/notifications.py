"""Messages between processes: which generation logs have grown, and which generation to stop.

The rows are authoritative: a message that gets lost only delays a reader, until its next poll.
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
SEND_S = 1.0


class Notifications:
    """Sends and receives the messages. Without Redis none are sent, and readers only poll."""

    def __init__(
        self,
        on_growth: Callable[[Collection[uuid.UUID]], None],
        stop: Callable[[uuid.UUID], None],
    ) -> None:
        self._on_growth, self._stop = on_growth, stop

    async def announce_growth(self, ids: Collection[uuid.UUID]) -> None:
        """Tell every process that the logs of these generations have grown."""
        if ids:
            self._on_growth(ids)
            await self._send({"type": "chats.grown", "ids": [str(pk) for pk in ids]})

    async def request_stop(self, generation_id: uuid.UUID) -> None:
        """Stop a generation in whichever process runs it. The caller has updated the row."""
        self._stop(generation_id)
        await self._send({"type": "chats.stop", "ids": [str(generation_id)]})

    async def listen(self) -> None:
        """Receive messages until cancelled. Needs Redis."""
        layer = get_channel_layer()
        channel = await layer.new_channel()
        try:
            await layer.group_add(GROUP, channel)
            while True:
                message = await layer.receive(channel)
                ids = [uuid.UUID(each) for each in message["ids"]]
                if message["type"] == "chats.grown":
                    self._on_growth(ids)
                else:
                    for generation_id in ids:
                        self._stop(generation_id)
        finally:
            await layer.group_discard(GROUP, channel)

    async def _send(self, message: dict[str, Any]) -> None:
        if not settings.REDIS_URL:
            return
        try:
            async with asyncio.timeout(SEND_S):  # a Redis that hangs must not hold up the log
                await get_channel_layer().group_send(GROUP, message)
        except Exception as error:
            log.warning("chat notifications cannot be sent: %s", error)
