"""A camera's lock in Redis, and what is known of it while it is ours."""

from __future__ import annotations

from dataclasses import dataclass

import redis.asyncio as redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockNotOwnedError

from cameras.ingest.roll import LIFE_S as NAME_LIFE_S

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
