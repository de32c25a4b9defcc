"""The approach of a Channels tutorial: a consumer per viewer, which encodes its own JSON.

`daphne tests.bench.servers.naive:application`; BENCH_REDIS and BENCH_LAYER name the channel layer.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import django
from django.conf import settings

BACKENDS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}


def configure() -> None:
    """Configure Django with default settings, here and in the feeder."""
    settings.configure(
        INSTALLED_APPS=["channels"],
        SECRET_KEY="nothing is signed here",
        CHANNEL_LAYERS={
            "default": {
                "BACKEND": BACKENDS[os.environ["BENCH_LAYER"]],
                "CONFIG": {"hosts": [os.environ["BENCH_REDIS"]]},
            }
        },
    )
    django.setup()


def group(camera: str) -> str:
    """Return the group name of a camera's viewers."""
    return f"camera_{camera}"


if not settings.configured:
    configure()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402


class StreamConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One viewer."""

    async def connect(self) -> None:
        self.camera = self.scope["url_route"]["kwargs"]["camera"]
        await self.channel_layer.group_add(group(self.camera), self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(group(self.camera), self.channel_name)

    async def frame(self, event: dict[str, Any]) -> None:
        data = {
            "frame": base64.b64encode(event["jpeg"]).decode(),
            "timestamp": event["timestamp"],
            "camera_id": self.camera,
        }
        await self.send(text_data=json.dumps(data, separators=(",", ":")))


application = ProtocolTypeRouter(
    {"websocket": URLRouter([re_path(r"^c/(?P<camera>\d+)$", StreamConsumer.as_asgi())])}
)
