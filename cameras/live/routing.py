"""Which socket path leads where."""

from django.urls import re_path

from cameras.live.consumers import StreamConsumer
from cameras.live.publishing import PublishConsumer
from cameras.live.sockets import NoSuchSocket

doors = {
    "stream": re_path(r"^ws/stream/(?P<camera>[^/]{1,200})/?$", StreamConsumer.as_asgi()),
    "publish": re_path(r"^ws/publish/(?P<camera>[^/]{1,200})/?$", PublishConsumer.as_asgi()),
}
websockets = [*doors.values(), re_path(r"", NoSuchSocket.as_asgi())]
