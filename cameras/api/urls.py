"""The API's paths. Each is served with and without a trailing slash, never redirected."""

from django.urls import re_path

from cameras.api import auth, passes, pictures, schema, tokens, views  # noqa: F401 - schema registers itself
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
    re_path(r"^stream-keys/?$", passes.StreamKeyList.as_view(), name="api-stream-keys"),
    re_path(rf"^stream-keys/{_ID}/?$", passes.StreamKeyDetail.as_view(), name="api-stream-key"),
    re_path(r"^share-links/?$", passes.ShareLinkList.as_view(), name="api-share-links"),
    re_path(rf"^share-links/{_ID}/?$", passes.ShareLinkDetail.as_view(), name="api-share-link"),
    re_path(r"^tickets/?$", passes.TicketList.as_view(), name="api-tickets"),
    re_path(r"^tokens/?$", tokens.TokenList.as_view(), name="api-tokens"),
    re_path(rf"^tokens/{_ID}/?$", tokens.TokenDetail.as_view(), name="api-token"),
    re_path(r"^actions/actions/send/?$", send, name="api-send"),
]
