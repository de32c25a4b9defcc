"""What processes share: frames by the channel layer, and the cache. In Redis, or in memory."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

# A group's member is forgotten after a day, by the wall clock; a feed joins once, and stays.
_FOR_EVER = {"expiry": 10**10, "group_expiry": 10**10}


def channel_layers(redis_url: str) -> dict[str, Any]:
    """Those of Channels. Without Redis all that share one are in this process."""
    if not redis_url:
        memory = {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": _FOR_EVER}
        return {"default": memory}
    parts = urlsplit(redis_url)
    # RESP3 makes redis-py build a text of every frame; pub/sub on RESP2 costs a third of it.
    query = "&".join(filter(None, (parts.query, urlencode({"protocol": 2}))))
    host = {"address": urlunsplit(parts._replace(query=query)), "max_connections": 1000}
    return {
        "default": {"BACKEND": "cameras.live.redis_layer.FrameLayer", "CONFIG": {"hosts": [host]}}
    }


def caches(redis_url: str) -> dict[str, Any]:
    """Those of Django. Without Redis each process has its own."""
    if not redis_url:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}
    return {"default": redis}
