"""One camera's lock in Redis, and the fence that was claimed under it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import redis.asyncio as redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockNotOwnedError

LEASE_TTL_S = 5.0

# Sets a lock's owner if it is the expected one: key; expected owner, new owner, milliseconds.
_PASS_ON = """
if redis.call("get", KEYS[1]) == ARGV[1] then
    redis.call("set", KEYS[1], ARGV[2], "px", ARGV[3])
    return 1
end
return 0
"""


@dataclass(slots=True, eq=False)
class Lease:
    """One camera's lock and the fence claimed under it. Methods raise `RedisError`."""

    lock: Lock
    fence: int | None = None
    needs_fence: bool = True
    is_confirmed: bool = True  # Redis said since then that the lock is ours
    confirmed_at: float = field(default_factory=time.monotonic)  # when it was asked
    is_offered: bool = False  # another process may take the lock over, see handovers.py
    successor: bytes | None = None  # the process that gets the lock when it is released
    leaving: bool = False

    @classmethod
    async def acquire(cls, client: redis.Redis, camera_id: str, token: str) -> Lease | None:
        """Lock a free camera. None if another process has it. `token` identifies the owner."""
        lock = Lock(client, lock_key(camera_id), timeout=LEASE_TTL_S, thread_local=False)
        return cls(lock) if await lock.acquire(blocking=False, token=token) else None

    @classmethod
    def taken_over(cls, client: redis.Redis, camera_id: str, token: str) -> Lease:
        """A lease whose lock was passed on to us."""
        lock = Lock(client, lock_key(camera_id), timeout=LEASE_TTL_S, thread_local=False)
        lock.local.token = token.encode()
        return cls(lock)

    async def renew(self, token: str) -> bool:
        """Extend the lock, or acquire it again if it expired. False if another process has it."""
        asked_at = time.monotonic()
        try:
            await self.lock.reacquire()
        except LockNotOwnedError:
            if self.leaving or self.is_offered:  # released meanwhile, or perhaps taken over
                return True
            if not await self.lock.acquire(blocking=False, token=token):
                return False
            self.needs_fence = True
        self.is_confirmed, self.confirmed_at = True, asked_at
        return True

    async def release(self, client: redis.Redis, token: str) -> None:
        """Release the lock if it is ours, or pass it on to the successor."""
        if self.successor is None:
            await self.lock.release()
        else:
            await pass_on(client, str(self.lock.name), token.encode(), self.successor)


async def pass_on(client: redis.Redis, key: str, owner: bytes, successor: bytes) -> bool:
    """Make `successor` the owner of a lock. False if `owner` was not."""
    script = client.register_script(_PASS_ON)
    return bool(await script([key], [owner, successor, int(LEASE_TTL_S * 1000)]))


def lock_key(camera_id: str) -> str:
    """Return the Redis key of the camera's lock."""
    return f"sideline:lease:{camera_id}"
