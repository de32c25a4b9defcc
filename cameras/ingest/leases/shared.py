"""Cameras shared by any number of ingest processes, through leases in Redis."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

import redis.asyncio as redis
from django.conf import settings
from redis.asyncio.lock import Lock
from redis.exceptions import LockNotOwnedError

from cameras.ingest.leases.embedded import claim
from cameras.ingest.leases.members import LIFE_S as NAME_LIFE_S
from cameras.ingest.leases.members import Members, connect

log = logging.getLogger(__name__)

RENEW_S = 1.0
TAKE_S = 0.25  # how often it is looked for free cameras
PATIENCE_S = 3.0
ORPHAN_S = 3.0
REST_S = 30.0  # nothing is given up for so long after nobody took what was given up
TOLD_S = 5.0  # who cannot read the table of cameras takes none
ANSWER_S = 2.0  # Redis is away when it did not answer for so long


class RedisLeases:
    """Leases in Redis, shared with all ingest processes on it. Bound: one lease a camera."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._token = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"  # in a lock, too
        self._client = connect(settings.REDIS_URL)
        self._roll = Members(self._client, self._token)
        self._leases: dict[str, Lease] = {}
        self._wanted = self._others = frozenset[str]()  # all, and those that other processes had
        self._told_at = self._patient_until = self._rest_until = -math.inf
        self._processes = 0  # none counted yet
        self._free_since: dict[str, float] = {}
        self._away = False

    def want(self, cameras: Collection[str]) -> None:
        """Take part in reading these; the others are left."""
        self._wanted, self._told_at = frozenset(cameras), time.monotonic()
        for camera_id in self._leases.keys() - self._wanted:
            self._leave(self._leases[camera_id])

    def fence(self, camera_id: str) -> int | None:
        """None where another process has the camera, or ours has not claimed it yet."""
        lease = self._leases.get(camera_id)
        return None if lease is None or lease.leaving else lease.fence

    def elsewhere(self, camera_id: str) -> bool:
        """As Redis said at the last look, `TAKE_S` ago."""
        return camera_id in self._others

    @property
    def leaving(self) -> Collection[str]:
        """Lost, given up or no longer wanted."""
        return [camera_id for camera_id, lease in self._leases.items() if lease.leaving]

    async def release(self, camera_id: str) -> None:
        """Unlock it where the lock is ours; while Redis is away it ends by itself."""
        lease = self._leases.pop(camera_id, None)
        if lease is not None:
            lease.leaving = True
            if not self._away:
                with suppress(redis.RedisError, OSError):
                    async with asyncio.timeout(ANSWER_S):
                        await lease.lock.release()

    def doubt(self, camera_id: str, fence: int) -> None:
        """Who claimed a higher one may have lost the camera meanwhile: ask the lock, not ourselves.

        So a process that slept between lock and fence does not shut out the one that reads.
        """
        lease = self._leases.get(camera_id)
        if lease is not None and lease.fence == fence and not lease.due:
            lease.due, lease.sure = True, False

    async def run(self) -> None:
        """Renewals do not wait for the database, nor for a camera that another one has."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renewing(), name="renewing leases")
            tasks.create_task(self._sharing(), name="sharing cameras")

    async def close(self) -> None:
        """The others take what was ours at their next look."""
        with suppress(redis.RedisError, OSError):
            async with asyncio.timeout(ANSWER_S):
                await asyncio.gather(*(self.release(camera_id) for camera_id in [*self._leases]))
                if not self._away:
                    await self._roll.leave()
        await self._client.aclose()

    async def _renewing(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._renew_all()
            except (redis.RedisError, OSError) as error:
                if not self._away:
                    log.warning("Redis is away; the cameras are read on meanwhile: %s", error)
                self._away = True
            else:
                if self._away:
                    log.info("Redis is back")
                self._away = False
            await asyncio.sleep(TAKE_S if self._away else RENEW_S)

    async def _renew_all(self) -> None:
        if await self._roll.forgotten():
            self._patient_until = time.monotonic() + PATIENCE_S
        kept = [item for item in self._leases.items() if not item[1].leaving]
        done = await asyncio.gather(*(self._renew(*item) for item in kept), return_exceptions=True)
        for failure in done:
            if failure is not None:
                raise failure
        now = time.monotonic()
        if now > self._patient_until and now - self._told_at < TOLD_S:
            self._processes = await self._roll.call()

    async def _renew(self, camera_id: str, lease: Lease) -> None:
        if not await lease.renew(self._token):
            log.warning("camera %s: another process reads it now", camera_id)
            self._leave(lease)

    async def _sharing(self) -> None:
        while True:
            try:
                if self._roll.called and not self._away:
                    async with asyncio.timeout(ANSWER_S):
                        await self._take_and_give()
                await self._claim()
            except (redis.RedisError, OSError):
                pass  # the renewals notice, and say so
            await asyncio.sleep(TAKE_S)

    async def _take_and_give(self) -> None:
        others = sorted(self._wanted - self._leases.keys())
        known, *owners = await self._client.mget([self._roll.key, *map(key, others)])
        if known is None:
            return  # Redis has forgotten us, and maybe everybody: see `_renew_all`
        now = time.monotonic()
        free = [pk for pk, owner in zip(others, owners, strict=True) if owner is None]
        self._free_since = {pk: self._free_since.get(pk, now) for pk in free}
        self._others = frozenset(others) - frozenset(free)
        mine = [pk for pk, lease in self._leases.items() if not lease.leaving]
        room = math.ceil(len(self._wanted) / self._processes) - len(mine)
        for camera_id, since in self._free_since.items():
            if (room > 0 or now - since > ORPHAN_S) and await self._take(camera_id):
                if room <= 0:
                    self._rest_until = now + REST_S
                room -= 1
        if room < 0 and len(mine) == len(self._leases) and not free and now > self._rest_until:
            log.info("camera %s: given up for another process to read", mine[-1])
            self._leave(self._leases[mine[-1]])  # which it has had for the shortest time

    async def _take(self, camera_id: str) -> bool:
        lease = await Lease.take(self._client, camera_id, self._token)
        if lease is not None:
            self._leases[camera_id] = lease
        return lease is not None

    async def _claim(self) -> None:
        due = {
            camera_id: lease
            for camera_id, lease in self._leases.items()
            if lease.due and lease.sure and not lease.leaving
        }
        if not due:
            return
        fences = await claim(due)
        for camera_id, lease in due.items():
            if camera_id in fences:
                lease.fence, lease.due = fences[camera_id], False
            elif lease.fence is None:
                self._leave(lease)  # deleted, or for those whom the database answers
        self.changed.set()

    def _leave(self, lease: Lease) -> None:
        lease.leaving = True
        self.changed.set()


LIFE_S = 5.0

assert NAME_LIFE_S < LIFE_S  # the others' shares have grown before the cameras are free


@dataclass(slots=True, eq=False)
class Lease:
    """One camera's lock, with the fence that was claimed under it. May raise `RedisError`."""

    lock: Lock
    fence: int | None = None
    due: bool = True  # a fence is to be claimed
    sure: bool = True  # ... and the lock was seen to be ours since then
    leaving: bool = False

    @classmethod
    async def take(cls, client: redis.Redis, camera_id: str, token: str) -> Lease | None:
        """A free camera's; None where somebody has it. `token` says who we are."""
        lock = Lock(client, key(camera_id), timeout=LIFE_S, thread_local=False)
        return cls(lock) if await lock.acquire(blocking=False, token=token) else None

    async def renew(self, token: str) -> bool:
        """Keep it, or take it back where it had ended. False where somebody else has it now."""
        try:
            await self.lock.reacquire()
        except LockNotOwnedError:
            if self.leaving:  # released meanwhile
                return True
            if not await self.lock.acquire(blocking=False, token=token):
                return False
            self.due = True
        self.sure = True
        return True


def key(camera_id: str) -> str:
    """Under which its lock is."""
    return f"sideline:lease:{camera_id}"
