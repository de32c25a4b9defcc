"""URLs of the cameras' API. Each is served with and without a trailing slash, not redirected."""

from django.urls import re_path

from cameras.api import credentials, pictures, views
from cameras.api.send import send
from cameras.models import StreamKey
from project.accounts.api.urls import ID, UUID

PICTURES = rf"^cameras/(?P<name>{UUID}|{StreamKey.PATTERN.pattern})"

urlpatterns = [
    re_path(r"^cameras/?$", views.CameraList.as_view(), name="api-cameras"),
    re_path(rf"^cameras/{ID}/?$", views.CameraDetail.as_view(), name="api-camera-detail"),
    re_path(rf"{PICTURES}/snapshot\.jpg/?$", pictures.snapshot, name="api-camera-snapshot"),
    re_path(rf"{PICTURES}/stream\.mjpeg/?$", pictures.mjpeg, name="api-camera-mjpeg"),
    re_path(r"^stream-keys/?$", credentials.StreamKeyList.as_view(), name="api-stream-keys"),
    re_path(rf"^stream-keys/{ID}/?$", credentials.StreamKeyDetail.as_view(), name="api-stream-key"),
    re_path(r"^share-links/?$", credentials.ShareLinkList.as_view(), name="api-share-links"),
    re_path(rf"^share-links/{ID}/?$", credentials.ShareLinkDetail.as_view(), name="api-share-link"),
    re_path(r"^tickets/?$", credentials.TicketList.as_view(), name="api-tickets"),
    re_path(r"^actions/actions/send/?$", send, name="api-send"),
]
