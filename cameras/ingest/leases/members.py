"""The ingest processes that are there: a name each, in Redis, which ends with its process."""

from __future__ import annotations

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

LIFE_S = 4.0
NAMES = "sideline:ingest"
CONNECTIONS = 8


def connect(url: str) -> redis.Redis:
    """A client that says at once that Redis is away; at most `CONNECTIONS` at a time.

    Callers bring the time limit: redis-py's own costs a task for every command.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url, max_connections=CONNECTIONS, socket_timeout=None, retry=Retry(NoBackoff(), 1)
    )
    return redis.Redis.from_pool(pool)


class Members:
    """One set of names, and for each a key that expires: no two hosts' clocks are compared."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._client = client
        self._name = name
        self.key = _key(name)
        self.called = False  # whether the others count us

    async def call(self) -> int:
        """Renew our name and strike the dead; how many there are, ourselves included."""
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.set(self.key, 1, px=int(LIFE_S * 1000))
            pipe.sadd(NAMES, self._name)
            pipe.smembers(NAMES)
            names = [name.decode() for name in (await pipe.execute())[2]]
        keys = await self._client.mget([_key(name) for name in names])
        dead = [name for name, key in zip(names, keys, strict=True) if key is None]
        if dead:
            await self._client.srem(NAMES, *dead)
        self.called = True
        return len(names) - len(dead)

    async def forgotten(self) -> bool:
        """Whether our name is gone: Redis has lost its data, or we were silent for too long."""
        if self.called and not await self._client.exists(self.key):
            self.called = False
            return True
        return False

    async def leave(self) -> None:
        """The others no longer count us."""
        self.called = False
        await self._client.delete(self.key)
        await self._client.srem(NAMES, self._name)


def _key(name: str) -> str:
    return f"{NAMES}:{name}"
