"""Planned hand-overs: another process reads a camera before this one stops.

The holder *offers* a camera and reads on. One other process *answers*, starts a worker beside that
of the holder, and takes over the lock when pictures come. It ends the offer as soon as it publishes
them; then the holder stops. So viewers miss nothing, and never get an older frame, because the
taker's fence and with it the number of its run is higher.

A camera that cannot be opened twice is released first: the taker's process is ready then, and
opens the camera as soon as the holder has passed the lock on.

    offer key: OPEN (by the holder) → the taker's name (“release it to me”) → deleted (by the taker)
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import redis.asyncio as redis

from cameras.ingest.leases.locks import lock_key, pass_on

log = logging.getLogger(__name__)

OPEN = b"open"
OFFER_TTL_S = 30.0  # an offer that nobody took, or whose taker died, lapses
TAKE_S = 4.0  # without pictures for so long after its start: there is room for one connection only
MAX_TAKINGS = 8  # at once: each starts a process


class Outcome(enum.Enum):
    """How an offer ended."""

    TAKEN = enum.auto()  # another process publishes
    ASKED = enum.auto()  # the taker waits for the release
    LAPSED = enum.auto()  # nobody took it


@dataclass(slots=True)
class Taking:
    """A camera that this process is about to take over."""

    loaded_at: float | None = None  # when the worker began to open the camera, monotonic
    releases_first: bool = False
    is_ready: bool = False

    @property
    def is_late(self) -> bool:
        """Whether the worker has had no pictures for too long."""
        return self.loaded_at is not None and time.monotonic() - self.loaded_at > TAKE_S


class Handovers:
    """Our offers, and the offers of others that we answered. Methods raise `RedisError`.

    Bounds: the cameras that we lease, and `MAX_TAKINGS`.
    """

    def __init__(self, client: redis.Redis, token: str, changed: asyncio.Event) -> None:
        """`token` identifies this process; `changed` is set when `takings` has changed."""
        self._client, self._token, self._changed = client, token.encode(), changed
        self.offered: set[str] = set()
        self.takings: dict[str, Taking] = {}

    @property
    def are_running(self) -> bool:
        """Whether there is an offer, ours or answered by us."""
        return bool(self.offered or self.takings)

    async def offer(self, cameras: Iterable[str]) -> None:
        """Offer these cameras."""
        for camera_id in cameras:
            log.info("camera %s: offered to another process", camera_id)
            self.offered.add(camera_id)
            await self._client.set(offer_key(camera_id), OPEN, px=int(OFFER_TTL_S * 1000))

    async def outcomes(self) -> dict[str, tuple[Outcome, bytes | None]]:
        """Return, once, how offers ended that did, each with the lock's owner or next owner."""
        ended: dict[str, tuple[Outcome, bytes | None]] = {}
        for camera_id, offer, owner in await self._read(self.offered):
            is_ours = owner == self._token
            if is_ours and offer not in (None, OPEN):
                ended[camera_id] = Outcome.ASKED, offer
            elif offer is None:
                is_taken = owner is not None and not is_ours
                ended[camera_id] = (Outcome.TAKEN if is_taken else Outcome.LAPSED), owner
        self.offered.difference_update(ended)
        return ended

    async def answer(self, camera_id: str) -> None:
        """Start to take over a camera that another process offers, unless a third one does."""
        key = _taker_key(camera_id)
        if await self._client.set(key, self._token, nx=True, px=int(OFFER_TTL_S * 1000)):
            log.info("camera %s: taking it over", camera_id)
            self.takings[camera_id] = Taking()
            self._changed.set()

    def report_loaded(self, camera_id: str) -> None:
        """Note that our worker begins to open the camera, or would."""
        if taking := self.takings.get(camera_id):
            taking.loaded_at = time.monotonic()

    def report_ready(self, camera_id: str, *, is_open: bool) -> None:
        """Note that our worker is ready: it has pictures, or waits to open the camera."""
        if taking := self.takings.get(camera_id):
            taking.is_ready, taking.releases_first = True, not is_open

    async def advance(self) -> tuple[list[str], list[str]]:
        """Go on with what we take over.

        Returns the cameras whose locks are ours now, and those that their holder has released
        without waiting for us.
        """
        ours, free = [], []
        for camera_id, offer, owner in await self._read(self.takings):
            taking = self.takings[camera_id]
            if owner == self._token:
                ours.append(camera_id)
            elif owner is None:
                free.append(camera_id)
            elif offer is None:
                await self.finish(camera_id, offer=False)
            elif taking.is_ready and taking.releases_first:
                if offer == OPEN:
                    await self._client.set(offer_key(camera_id), self._token, xx=True, keepttl=True)
            elif taking.is_ready:
                if await pass_on(self._client, lock_key(camera_id), owner, self._token):
                    ours.append(camera_id)
            elif taking.is_late and not taking.releases_first:
                taking.releases_first = True
                self._changed.set()
        return ours, free

    async def finish(self, camera_id: str, *, offer: bool = True) -> None:
        """End a taking, and with `offer` the offer: we publish the camera's pictures."""
        self.takings.pop(camera_id, None)
        self._changed.set()
        keys = [_taker_key(camera_id), *([offer_key(camera_id)] if offer else [])]
        await self._client.delete(*keys)

    def forget(self, cameras: Collection[str]) -> None:
        """Forget these cameras: Redis is out of reach, or they are switched off."""
        for camera_id in cameras:
            self.offered.discard(camera_id)
            if self.takings.pop(camera_id, None):
                self._changed.set()

    async def _read(self, cameras: Collection[str]) -> list[tuple[str, bytes | None, bytes | None]]:
        """Return each camera with its offer and the owner of its lock."""
        every = [*cameras]
        if not every:
            return []
        keys = [*map(offer_key, every), *map(lock_key, every)]
        values: list[Any] = await self._client.mget(keys)
        return [*zip(every, values[: len(every)], values[len(every) :], strict=True)]


def offer_key(camera_id: str) -> str:
    """Return the Redis key of the camera's offer."""
    return f"sideline:offer:{camera_id}"


def _taker_key(camera_id: str) -> str:
    return f"sideline:taker:{camera_id}"
