"""WebSocket routes."""

from django.urls import re_path

from cameras.consumers.camera_socket import NoSuchSocket
from cameras.consumers.publish import PublishConsumer
from cameras.consumers.stream import StreamConsumer

routes = {
    "stream": re_path(r"^ws/stream/(?P<camera>[^/]{1,200})/?$", StreamConsumer.as_asgi()),
    "publish": re_path(r"^ws/publish/(?P<camera>[^/]{1,200})/?$", PublishConsumer.as_asgi()),
}
websockets = [*routes.values(), re_path(r"", NoSuchSocket.as_asgi())]
