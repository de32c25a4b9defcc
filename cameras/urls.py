"""URLs of the camera pages. Those of the API are in `cameras.api.urls`."""

from django.urls import path

from cameras.models import ShareLink, StreamKey
from cameras.views import camera, camera_edit, credentials, detector, discovery, shared, wall

urlpatterns = [
    path("", wall.wall, name="wall"),
    path("wall/arrange", wall.arrange, name="wall-arrange"),
    path("shared/<str:text>", shared.shared, name="shared"),
    path("shared/<str:text>/ticket", shared.shared_ticket, name="shared-ticket"),
    path("organizations/<slug:slug>/detector", detector.detector, name="detector"),
    path("organizations/<slug:slug>/detector/remove", detector.remove, name="detector-remove"),
    path(
        "organizations/<slug:slug>/detector/<uuid:pk>/parts/<int:number>",
        detector.part,
        name="detector-part",
    ),
    path(
        "organizations/<slug:slug>/detector/<uuid:pk>/check",
        detector.finish,
        name="detector-check",
    ),
    path("cameras/new", camera_edit.add, name="camera-add"),
    path("cameras/test", camera_edit.test, name="camera-test"),
    path("cameras/discover", discovery.discover, name="camera-discover"),
    path("cameras/discover/streams", discovery.discover_streams, name="camera-discover-streams"),
    path("cameras/<uuid:pk>", camera.camera, name="camera"),
    path("cameras/<uuid:pk>/edit", camera_edit.edit, name="camera-edit"),
    path("cameras/<uuid:pk>/delete", camera_edit.delete, name="camera-delete"),
    path("cameras/<uuid:pk>/still.jpg", camera.still, name="camera-still"),
    path("cameras/<uuid:pk>/keys", credentials.add_stream_key, name="streamkey-add"),
    path(
        "cameras/<uuid:pk>/keys/<uuid:credential>/revoke",
        credentials.revoke_credential,
        {"model": StreamKey},
        name="streamkey-revoke",
    ),
    path("cameras/<uuid:pk>/links", credentials.add_share_link, name="sharelink-add"),
    path(
        "cameras/<uuid:pk>/links/<uuid:credential>/revoke",
        credentials.revoke_credential,
        {"model": ShareLink},
        name="sharelink-revoke",
    ),
]
