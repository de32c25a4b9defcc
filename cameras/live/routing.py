"""Which socket path leads where."""

from django.urls import re_path

from cameras.live.consumers import NoSuchSocket, StreamConsumer

websockets = [
    re_path(r"^ws/stream/(?P<camera>[^/]{1,200})/?$", StreamConsumer.as_asgi()),
    re_path(r"", NoSuchSocket.as_asgi()),
]
