"""What the web side says to ingest: what it wants of whom, and which frames were pushed to it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import redis.asyncio as redis
from django.conf import settings

from cameras.live.hub import Hub
from cameras.live.packets import pack
from cameras.live.variants import Wish, combined

log = logging.getLogger(__name__)

REPEAT_S = 2.0
SOON_S = 0.02  # wishes that change together are told together
LIFE_S = 7.0  # what a process wished is void when it has said nothing for so long
INBOX = "sideline:ingest:inbox"  # wishes and pushed frames, to every ingest process

Wishes = Mapping[str, Iterable[Wish]]  # by camera


class IngestLink(Protocol):
    """A way to ingest."""

    async def tell(self, wishes: Wishes) -> None:
        """Say what is watched here, and how."""

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes) -> bool:
        """Hand over a frame that a client sent; False where nobody takes it now."""


async def announce(hub: Hub, line: IngestLink) -> None:
    """Tell ingest what is wished: at once on a change, else every two seconds, for ever."""
    while True:
        hub.changed.clear()
        try:
            await line.tell(hub.wishes())
        except (redis.RedisError, OSError) as error:
            log.warning("demand could not be told (%s), retrying", error)
        await asyncio.sleep(SOON_S)
        try:
            await asyncio.wait_for(hub.changed.wait(), REPEAT_S)
        except TimeoutError:
            continue


def wishes_packet(wishes: Wishes, teller: str = "") -> dict[str, Any]:
    """The header of a packet that says them; `teller` is the process that wishes."""
    cameras = {
        camera_id: [(wish.width, wish.fps, wish.viewers) for wish in each]
        for camera_id, each in wishes.items()
    }
    return {"type": "wishes", "teller": teller, "cameras": cameras}


def read_wishes(header: Mapping[str, Any]) -> dict[str, list[Wish]]:
    """The inverse of `wishes_packet`. Raises `ValueError` or `TypeError` for nonsense."""
    return {
        camera_id: [Wish(int(width), int(fps), int(viewers)) for width, fps, viewers in each]
        for camera_id, each in header["cameras"].items()
    }


class Ledger:
    """What all web processes wish, by what each said last. Bound: those heard in `LIFE_S`."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[float, dict[str, list[Wish]]]] = {}

    def note(self, teller: str, wishes: dict[str, list[Wish]], now: float) -> set[tuple[str, int]]:
        """A process has spoken, at monotonic seconds. Cameras and widths that it did not wish
        when it spoke last: it has no picture of them, though another process may."""
        _, former = self._said.get(teller, (now, {}))
        self._said[teller] = now, wishes
        return _places(wishes) - _places(former)

    def total(self, now: float) -> dict[str, list[Wish]]:
        """By camera one wish for each width; what silent processes wished is forgotten."""
        for teller, (said_at, _) in list(self._said.items()):
            if now - said_at > LIFE_S:
                del self._said[teller]
        every: dict[str, list[Wish]] = {}
        for _, wishes in self._said.values():
            for camera_id, each in wishes.items():
                every.setdefault(camera_id, []).extend(each)
        return {camera_id: [*combined(each).values()] for camera_id, each in every.items()}


def _places(wishes: Wishes) -> set[tuple[str, int]]:
    return {(camera_id, wish.width) for camera_id, each in wishes.items() for wish in each}


class RedisIngestLink:
    """Published to every ingest process: each takes what concerns its cameras."""

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(settings.REDIS_URL, protocol=2)
        self._name = uuid.uuid4().hex

    async def tell(self, wishes: Wishes) -> None:
        """What is no longer repeated ends by itself."""
        await self._client.publish(INBOX, pack(wishes_packet(wishes, self._name)))

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes) -> bool:
        """The process that has the camera takes it; False where no process listens."""
        header = {"type": "push", "camera": camera_id, "timestamp": timestamp}
        try:
            return bool(await self._client.publish(INBOX, pack(header, jpeg)))
        except (redis.RedisError, OSError):
            return False
