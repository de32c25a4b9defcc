"""The API's paths. Each is served with and without a trailing slash, never redirected."""

from django.urls import re_path

from cameras.api import auth, pictures, schema, views  # noqa: F401 - schema registers itself
from cameras.api.send import send

_ID = r"(?P<pk>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"

urlpatterns = [
    re_path(r"^auth/login/?$", auth.Login.as_view(), name="api-login"),
    re_path(r"^auth/logout/?$", auth.Logout.as_view(), name="api-logout"),
    re_path(r"^organizations/?$", views.OrganizationList.as_view(), name="api-organizations"),
    re_path(
        rf"^organizations/{_ID}/?$", views.OrganizationDetail.as_view(), name="api-organization"
    ),
    re_path(r"^cameras/?$", views.CameraList.as_view(), name="api-cameras"),
    re_path(rf"^cameras/{_ID}/?$", views.CameraDetail.as_view(), name="api-camera-detail"),
    re_path(rf"^cameras/{_ID}/snapshot\.jpg/?$", pictures.snapshot, name="api-camera-snapshot"),
    re_path(rf"^cameras/{_ID}/stream\.mjpeg/?$", pictures.mjpeg, name="api-camera-mjpeg"),
    re_path(r"^stream-keys/?$", views.StreamKeyList.as_view(), name="api-stream-keys"),
    re_path(rf"^stream-keys/{_ID}/?$", views.StreamKeyDetail.as_view(), name="api-stream-key"),
    re_path(r"^actions/actions/send/?$", send, name="api-send"),
]
