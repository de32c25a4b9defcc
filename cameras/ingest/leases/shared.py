"""Leases in Redis: any number of ingest processes share the cameras."""

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
from dataclasses import dataclass, field

import redis.asyncio as redis
from django.conf import settings
from redis.asyncio.lock import Lock
from redis.exceptions import LockNotOwnedError

from cameras.ingest.leases.embedded import claim
from cameras.ingest.leases.members import TTL_S as MEMBER_TTL_S
from cameras.ingest.leases.members import Members
from cameras.live.redis_clients import TIMEOUT_S, connect

log = logging.getLogger(__name__)

RENEW_S = 1.0
POLL_S = 0.25  # how often to look for free cameras
REJOIN_DELAY_S = 3.0  # after Redis lost its data; meanwhile every process takes back its cameras
ORPHAN_S = 3.0  # a camera that was free for this long is taken even beyond our share
HANDOVER_PAUSE_S = 30.0  # no handover for this long after no process took the last one
CAMERAS_TTL_S = 5.0  # a process that cannot read the cameras for this long takes none


class RedisLeases:
    """The leases of one process among all on this Redis. Bound: one lease per camera.

    Each process aims at its share: the number of cameras divided by the number of processes.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._token = (
            f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"  # owner of our locks
        )
        self._client = connect(settings.REDIS_URL)
        self._members = Members(self._client, self._token)
        self._leases: dict[str, Lease] = {}
        self._released = asyncio.Queue[Lease]()  # to be unlocked; at most one per camera
        self._cameras = frozenset[str]()  # all enabled ones
        self._held_elsewhere = frozenset[str]()
        self._cameras_set_at = self._rejoin_at = self._next_handover_at = -math.inf  # monotonic
        self._processes = 0  # not counted yet
        self._free_since: dict[str, float] = {}
        self._is_redis_down = False

    def set_cameras(self, cameras: Collection[str]) -> None:
        """Compete for these cameras; give up all others."""
        self._cameras, self._cameras_set_at = frozenset(cameras), time.monotonic()
        for camera_id in self._leases.keys() - self._cameras:
            self._leave(self._leases[camera_id])

    def fence(self, camera_id: str) -> int | None:
        """Return the fence; None if another process has the camera or it is not claimed yet."""
        lease = self._leases.get(camera_id)
        return None if lease is None or lease.leaving else lease.fence

    def is_held_elsewhere(self, camera_id: str) -> bool:
        """Return what Redis said at the last poll, up to `POLL_S` ago."""
        return camera_id in self._held_elsewhere

    @property
    def leaving(self) -> Collection[str]:
        """Cameras that were lost, handed over or switched off."""
        return [camera_id for camera_id, lease in self._leases.items() if lease.leaving]

    def release(self, camera_id: str) -> None:
        """Let the lock be released at once; while Redis is down it expires by itself."""
        lease = self._leases.pop(camera_id, None)
        if lease is not None:
            lease.leaving = True
            self._released.put_nowait(lease)

    async def _run_releases(self) -> None:
        while True:
            lease = await self._released.get()
            try:
                await self._unlock(lease)
            except asyncio.CancelledError:
                self._released.put_nowait(lease)  # for `close`
                raise

    async def _unlock(self, lease: Lease) -> None:
        if not self._is_redis_down:
            with suppress(redis.RedisError, OSError):
                async with asyncio.timeout(TIMEOUT_S):
                    await lease.lock.release()

    def report_stale_fence(self, camera_id: str, fence: int) -> None:
        """Claim a new fence once Redis confirms that the lock is still ours.

        The process with the higher fence may have lost the camera since: it slept between lock and
        fence. It must not shut out the process that reads the camera. But if Redis has not
        confirmed the lease for so long that it expired, another process has taken the camera.
        """
        lease = self._leases.get(camera_id)
        if lease is None or lease.fence != fence:
            return
        if time.monotonic() - lease.confirmed_at > LEASE_TTL_S:
            log.warning("camera %s: another process reads it now; Redis is out of reach", camera_id)
            self._leave(lease)
        elif not lease.needs_fence:
            lease.needs_fence, lease.is_confirmed = True, False

    async def run(self) -> None:
        """Renew, release and balance until cancelled.

        Each in its own task: renewals must not wait for the database, and the supervisor, which
        judges the workers, must not wait for a release while Redis hangs.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_releases(), name="lease releases")
            tasks.create_task(self._run_renewals(), name="lease renewals")
            tasks.create_task(self._run_balancing(), name="lease balancing")

    async def close(self) -> None:
        """Release everything; the other processes take our cameras at their next poll."""
        with suppress(redis.RedisError, OSError):
            async with asyncio.timeout(TIMEOUT_S):
                for camera_id in [*self._leases]:
                    self.release(camera_id)
                released = [self._released.get_nowait() for _ in range(self._released.qsize())]
                await asyncio.gather(*map(self._unlock, released))
                if not self._is_redis_down:
                    await self._members.leave()
                await self._client.aclose()

    async def _run_renewals(self) -> None:
        while True:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self._renew_all()
            except (redis.RedisError, OSError) as error:
                if not self._is_redis_down:
                    log.warning("Redis is down; reading the cameras continues: %s", error)
                self._is_redis_down = True
            else:
                if self._is_redis_down:
                    log.info("Redis is back")
                self._is_redis_down = False
            await asyncio.sleep(POLL_S if self._is_redis_down else RENEW_S)

    async def _renew_all(self) -> None:
        if await self._members.has_expired():
            self._rejoin_at = time.monotonic() + REJOIN_DELAY_S
        kept = [item for item in self._leases.items() if not item[1].leaving]
        results = await asyncio.gather(
            *(self._renew(*item) for item in kept), return_exceptions=True
        )
        for error in results:
            if error is not None:
                raise error
        now = time.monotonic()
        if now > self._rejoin_at and now - self._cameras_set_at < CAMERAS_TTL_S:
            self._processes = await self._members.heartbeat()

    async def _renew(self, camera_id: str, lease: Lease) -> None:
        if not await lease.renew(self._token):
            log.warning("camera %s: another process reads it now", camera_id)
            self._leave(lease)

    async def _run_balancing(self) -> None:
        while True:
            try:
                if self._members.is_registered and not self._is_redis_down:
                    async with asyncio.timeout(TIMEOUT_S):
                        await self._balance()
                await self._claim()
            except (redis.RedisError, OSError):
                pass  # logged by the renewals
            await asyncio.sleep(POLL_S)

    async def _balance(self) -> None:
        """Take free cameras up to our share, or hand over one camera above it."""
        others = sorted(self._cameras - self._leases.keys())
        known, *owners = await self._client.mget([self._members.key, *map(lock_key, others)])
        if known is None:
            return  # Redis lost our name, and perhaps all of its data: see `_renew_all`
        now = time.monotonic()
        free = [pk for pk, owner in zip(others, owners, strict=True) if owner is None]
        self._free_since = {pk: self._free_since.get(pk, now) for pk in free}
        self._held_elsewhere = frozenset(others) - frozenset(free)
        mine = [pk for pk, lease in self._leases.items() if not lease.leaving]
        room = math.ceil(len(self._cameras) / self._processes) - len(mine)
        for camera_id, since in self._free_since.items():
            if (room > 0 or now - since > ORPHAN_S) and await self._take(camera_id):
                if room <= 0:
                    self._next_handover_at = now + HANDOVER_PAUSE_S
                room -= 1
        if (
            room < 0
            and len(mine) == len(self._leases)
            and not free
            and now > self._next_handover_at
        ):
            log.info("camera %s: handed over to another process", mine[-1])
            self._leave(self._leases[mine[-1]])  # the one acquired last

    async def _take(self, camera_id: str) -> bool:
        lease = await Lease.acquire(self._client, camera_id, self._token)
        if lease is not None:
            self._leases[camera_id] = lease
        return lease is not None

    async def _claim(self) -> None:
        """Claim a fence for each confirmed lease that needs one."""
        unclaimed = {
            camera_id: lease
            for camera_id, lease in self._leases.items()
            if lease.needs_fence and lease.is_confirmed and not lease.leaving
        }
        if not unclaimed:
            return
        fences = await claim(unclaimed)
        for camera_id, lease in unclaimed.items():
            if camera_id in fences:
                lease.fence, lease.needs_fence = fences[camera_id], False
            elif lease.fence is None:
                self._leave(lease)  # deleted, or the database failed: another process may reach it
        self.changed.set()

    def _leave(self, lease: Lease) -> None:
        lease.leaving = True
        self.changed.set()


LEASE_TTL_S = 5.0

# When a process dies, the others' shares must grow before its cameras become free.
assert MEMBER_TTL_S < LEASE_TTL_S


@dataclass(slots=True, eq=False)
class Lease:
    """One camera's lock and the fence claimed under it. Methods raise `RedisError`."""

    lock: Lock
    fence: int | None = None
    needs_fence: bool = True
    is_confirmed: bool = True  # Redis said since then that the lock is ours
    confirmed_at: float = field(default_factory=time.monotonic)  # when it was asked
    leaving: bool = False

    @classmethod
    async def acquire(cls, client: redis.Redis, camera_id: str, token: str) -> Lease | None:
        """Lock a free camera. None if another process has it. `token` identifies the owner."""
        lock = Lock(client, lock_key(camera_id), timeout=LEASE_TTL_S, thread_local=False)
        return cls(lock) if await lock.acquire(blocking=False, token=token) else None

    async def renew(self, token: str) -> bool:
        """Extend the lock, or acquire it again if it expired. False if another process has it."""
        asked_at = time.monotonic()
        try:
            await self.lock.reacquire()
        except LockNotOwnedError:
            if self.leaving:  # released meanwhile
                return True
            if not await self.lock.acquire(blocking=False, token=token):
                return False
            self.needs_fence = True
        self.is_confirmed, self.confirmed_at = True, asked_at
        return True


def lock_key(camera_id: str) -> str:
    """Return the Redis key of the camera's lock."""
    return f"sideline:lease:{camera_id}"
