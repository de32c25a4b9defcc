"""Leases in Redis: any number of ingest processes share the cameras."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress

import redis.asyncio as redis
from django.conf import settings

from cameras.ingest.leases.embedded import claim
from cameras.ingest.leases.handovers import MAX_TAKINGS, OPEN, Handovers, Outcome, Taking, offer_key
from cameras.ingest.leases.locks import LEASE_TTL_S, Lease, lock_key
from cameras.ingest.leases.members import TTL_S as MEMBER_TTL_S
from cameras.ingest.leases.members import Members
from cameras.live.redis_clients import TIMEOUT_S, connect
from project.tasks import URGENT_S, supervise_all

log = logging.getLogger(__name__)

RENEW_S = 1.0
POLL_S = 0.25  # how often to look for free and for offered cameras
HANDOVER_POLL_S = 0.1  # the same during a hand-over
DRAIN_S = 8.0  # for the hand-over of all cameras; service managers kill after 10 s
REJOIN_DELAY_S = 3.0  # after Redis lost its data; meanwhile every process takes back its cameras
ORPHAN_S = 3.0  # a camera that was free for this long is taken even beyond our share
HANDOVER_PAUSE_S = 30.0  # no offer for this long after no process took the last one
CAMERAS_TTL_S = 5.0  # a process that cannot read the cameras for this long takes none


class RedisLeases:
    """The leases of one process among all on this Redis. Bound: one lease per camera.

    Each process aims at its share: the number of cameras divided by the number of processes. What
    is above it, and everything when the process is to end, is handed over (handovers.py).
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._token = (
            f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"  # owner of our locks
        )
        self._client = connect(settings.REDIS_URL)
        self._members = Members(self._client, self._token)
        self._handovers = Handovers(self._client, self._token, self.changed)
        self._leases: dict[str, Lease] = {}
        self._released = asyncio.Queue[Lease]()  # to be unlocked; at most one per camera
        self._cameras = frozenset[str]()  # all enabled ones
        self._held_elsewhere = frozenset[str]()
        self._cameras_set_at = self._rejoin_at = self._next_handover_at = -math.inf  # monotonic
        self._processes = 0  # not counted yet
        self._free_since: dict[str, float] = {}
        self._is_redis_down = self._is_draining = False
        self._hurry = asyncio.Event()  # renew now

    def set_cameras(self, cameras: Collection[str]) -> None:
        """Compete for these cameras; give up all others."""
        self._cameras, self._cameras_set_at = frozenset(cameras), time.monotonic()
        self._handovers.forget(self._handovers.takings.keys() - self._cameras)
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

    @property
    def takings(self) -> Mapping[str, Taking]:
        """Cameras that are being taken over from another process."""
        return self._handovers.takings

    def report_loaded(self, camera_id: str) -> None:
        """Note that the worker of a camera that is being taken over begins to open it."""
        self._handovers.report_loaded(camera_id)

    def report_ready(self, camera_id: str, *, is_open: bool) -> None:
        """Take the camera over: a worker has pictures of it, or waits to open it."""
        self._handovers.report_ready(camera_id, is_open=is_open)

    async def drain(self) -> None:
        """Hand over all cameras. Returns at once if there is no other process to take them."""
        self._is_draining = True
        self._hurry.set()
        with suppress(redis.RedisError, OSError):
            async with asyncio.timeout(DRAIN_S):
                while self._leases and not self._is_redis_down:
                    if not await self._members.count_others():
                        return
                    await asyncio.sleep(HANDOVER_POLL_S)

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
                    await lease.release(self._client, self._token)

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
        await supervise_all(
            {
                "lease releases": self._run_releases,
                "lease renewals": self._run_renewals,
                "lease balancing": self._run_balancing,
            },
            max_pause_s=URGENT_S,
        )

    async def close(self) -> None:
        """Release everything; the other processes take our cameras at their next poll."""
        with suppress(redis.RedisError, OSError):
            async with asyncio.timeout(TIMEOUT_S):
                for camera_id in [*self._leases]:
                    self.release(camera_id)
                released = [self._released.get_nowait() for _ in range(self._released.qsize())]
                await asyncio.gather(*map(self._unlock, released))
                for camera_id in [*self.takings]:
                    await self._handovers.finish(camera_id, offer=False)
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
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S if self._is_redis_down else RENEW_S):
                    await self._hurry.wait()
            self._hurry.clear()

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
        if self._is_draining:
            await self._members.leave()
        elif now > self._rejoin_at and now - self._cameras_set_at < CAMERAS_TTL_S:
            self._processes = await self._members.heartbeat()

    async def _renew(self, camera_id: str, lease: Lease) -> None:
        needed_fence = lease.needs_fence
        if not await lease.renew(self._token):
            log.warning("camera %s: another process reads it now", camera_id)
            self._leave(lease)
        elif lease.needs_fence and not needed_fence:  # the lock was gone, and is ours again
            self._rejoin_at = time.monotonic() + REJOIN_DELAY_S

    async def _run_balancing(self) -> None:
        while True:
            try:
                if self._is_redis_down:
                    self._handovers.forget([*self._handovers.takings])
                else:
                    async with asyncio.timeout(TIMEOUT_S):
                        await self._settle_offers()
                        await self._take_over()
                        await self._balance()
                await self._claim()
            except (redis.RedisError, OSError):
                pass  # logged by the renewals
            is_busy = self._handovers.are_running
            await asyncio.sleep(HANDOVER_POLL_S if is_busy else POLL_S)

    async def _balance(self) -> None:
        """Take free and offered cameras up to our share, and offer what is above it."""
        kept = [pk for pk, lease in self._leases.items() if not (lease.leaving or lease.is_offered)]
        if self._is_draining:
            return await self._offer(kept)
        if not self._members.is_registered:
            return None
        others = sorted(self._cameras - self._leases.keys())
        keys = [self._members.key, *map(lock_key, others), *map(offer_key, others)]
        known, *found = await self._client.mget(keys)
        if known is None:
            return None  # Redis lost our name, and perhaps all of its data: see `_renew_all`
        now, owners, offers = time.monotonic(), found[: len(others)], found[len(others) :]
        free = [pk for pk, owner in zip(others, owners, strict=True) if owner is None]
        self._free_since = {pk: self._free_since.get(pk, now) for pk in free}
        self._held_elsewhere = frozenset(others) - frozenset(free)
        room = math.ceil(len(self._cameras) / self._processes) - len({*kept, *self.takings})
        for camera_id, since in self._free_since.items():
            if (room > 0 or now - since > ORPHAN_S) and await self._take(camera_id):
                if room <= 0:
                    self._next_handover_at = now + HANDOVER_PAUSE_S
                room -= 1
        for camera_id, offer in zip(others, offers, strict=True):
            is_new = camera_id in self._held_elsewhere and camera_id not in self.takings
            if offer == OPEN and is_new and room > 0 and len(self.takings) < MAX_TAKINGS:
                await self._handovers.answer(camera_id)
                room -= camera_id in self.takings
        is_settled = len(kept) == len(self._leases) and not free
        if room < 0 and is_settled and now > self._next_handover_at:
            await self._offer(kept[room:])  # those acquired last
        return None

    async def _offer(self, cameras: Collection[str]) -> None:
        for camera_id in cameras:
            self._leases[camera_id].is_offered = True
        await self._handovers.offer(cameras)

    async def _settle_offers(self) -> None:
        """Leave the cameras that other processes have taken; keep those that none took."""
        for camera_id, (outcome, process) in (await self._handovers.outcomes()).items():
            lease = self._leases.get(camera_id)
            if lease is None:  # switched off meanwhile
                continue
            if outcome is Outcome.LAPSED:
                lease.is_offered = False
                self._next_handover_at = time.monotonic() + HANDOVER_PAUSE_S
                continue
            log.info("camera %s: handed over to another process", camera_id)
            lease.successor = process if outcome is Outcome.ASKED else None
            self._leave(lease)

    async def _take_over(self) -> None:
        ours, free = await self._handovers.advance()
        for camera_id in free:
            await self._take(camera_id)
        for camera_id in ours:
            if camera_id not in self._leases:
                lease = Lease.taken_over(self._client, camera_id, self._token)
                self._leases[camera_id] = lease
            elif not self._leases[camera_id].needs_fence:  # since the last poll, so it publishes
                await self._handovers.finish(camera_id)

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


# When a process dies, the others' shares must grow before its cameras become free.
assert MEMBER_TTL_S < LEASE_TTL_S
