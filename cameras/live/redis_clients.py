"""Clients of Redis, and the time limit of each call. Django-free."""

from __future__ import annotations

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

# Shorter than any silence after which something counts as stuck, so that a Redis that hangs is
# recognized as the cause.
TIMEOUT_S = 2.0
MAX_CONNECTIONS = 8


def connect(url: str) -> redis.Redis:
    """Return a client that fails at once if Redis is down, with at most `MAX_CONNECTIONS`.

    Callers put `asyncio.timeout(TIMEOUT_S)` around each call. redis-py's own time limit costs a
    task for every command and can swallow a cancellation.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        protocol=2,
        max_connections=MAX_CONNECTIONS,
        socket_timeout=None,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1),
    )
    return redis.Redis.from_pool(pool)
