"""Membership of ingest processes: each registers a name in Redis that expires with the process."""

from __future__ import annotations

import redis.asyncio as redis

TTL_S = 4.0
MEMBERS_KEY = "sideline:ingest"


class Members:
    """A set of names and an expiring key for each, so no two hosts' clocks are compared."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._client = client
        self._name = name
        self.key = _key(name)
        self.is_registered = False  # whether the other processes count this one

    async def heartbeat(self) -> int:
        """Renew our name, remove dead ones, and return the number of live processes with ours."""
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.set(self.key, 1, px=int(TTL_S * 1000))
            pipe.sadd(MEMBERS_KEY, self._name)
            pipe.smembers(MEMBERS_KEY)
            names = [name.decode() for name in (await pipe.execute())[2]]
        keys = await self._client.mget([_key(name) for name in names])
        dead = [name for name, key in zip(names, keys, strict=True) if key is None]
        if dead:
            await self._client.srem(MEMBERS_KEY, *dead)
        self.is_registered = True
        return len(names) - len(dead)

    async def count_others(self) -> int:
        """Return the number of other live processes."""
        names: set[bytes] = await self._client.smembers(MEMBERS_KEY)  # type: ignore[assignment]
        others = [_key(name.decode()) for name in names if name.decode() != self._name]
        return int(await self._client.exists(*others)) if others else 0

    async def has_expired(self) -> bool:
        """Whether our name is gone: Redis lost its data, or we were silent for too long."""
        if self.is_registered and not await self._client.exists(self.key):
            self.is_registered = False
            return True
        return False

    async def leave(self) -> None:
        """Remove our name, so that the other processes no longer count this one."""
        self.is_registered = False
        await self._client.delete(self.key)
        await self._client.srem(MEMBERS_KEY, self._name)


def _key(name: str) -> str:
    return f"{MEMBERS_KEY}:{name}"
