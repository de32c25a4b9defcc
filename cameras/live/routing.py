"""Which socket path leads where."""

from django.urls import re_path

from cameras.live.consumers import StreamConsumer

websockets = [re_path(r"^ws/stream/(?P<camera>[^/]{1,200})/?$", StreamConsumer.as_asgi())]
