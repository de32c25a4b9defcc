"""The channel layer and the cache: in Redis, or in the memory of one process."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from cameras.live.redis_clients import TIMEOUT_S

MAX_ENTRIES = 10_000  # of a process's own cache; by default 300, and a flood would evict counters
# By default group membership expires after a day; a feed joins its group only once.
_NO_EXPIRY = {"expiry": 10**10, "group_expiry": 10**10}
# A Redis that hangs is a failure like one that is down, and is noticed about as soon.
_LIMITS = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}


def channel_layers(redis_url: str) -> dict[str, Any]:
    """Return CHANNEL_LAYERS. Without Redis, the layer reaches only this process."""
    if not redis_url:
        memory = {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": _NO_EXPIRY}
        return {"default": memory}
    parts = urlsplit(redis_url)
    # With RESP3 redis-py builds a string of every frame; pub/sub on RESP2 costs a third of that.
    query = "&".join(filter(None, (parts.query, urlencode({"protocol": 2}))))
    host = {"address": urlunsplit(parts._replace(query=query)), "max_connections": 1000, **_LIMITS}
    return {
        "default": {"BACKEND": "cameras.live.redis_layer.FrameLayer", "CONFIG": {"hosts": [host]}}
    }


def caches(redis_url: str) -> dict[str, Any]:
    """Return CACHES. Without Redis, each process has its own cache."""
    if not redis_url:
        memory = "django.core.cache.backends.locmem.LocMemCache"
        return {"default": {"BACKEND": memory, "OPTIONS": {"MAX_ENTRIES": MAX_ENTRIES}}}
    backend = "django.core.cache.backends.redis.RedisCache"
    return {"default": {"BACKEND": backend, "LOCATION": redis_url, "OPTIONS": {**_LIMITS}}}
