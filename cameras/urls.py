"""The pages. The API has its own, in `cameras.api.urls`."""

from django.urls import path

from cameras.views import camera, camera_edit, frame, organizations, people, wall

urlpatterns = [
    path("", wall.wall, name="wall"),
    path("signin", people.sign_in, name="signin"),
    path("signin/<str:token>", people.sign_in_link, name="signin-link"),
    path("signout", people.sign_out, name="signout"),
    path("account/password", people.password, name="password"),
    path("organization", frame.choose_organization, name="organization-choose"),
    path("organizations/<slug:slug>", organizations.organization, name="organization"),
    path("organizations/<slug:slug>/members", organizations.add_member, name="member-add"),
    path(
        "organizations/<slug:slug>/members/<int:pk>",
        organizations.change_member,
        name="member-change",
    ),
    path(
        "organizations/<slug:slug>/members/<int:pk>/remove",
        organizations.remove_member,
        name="member-remove",
    ),
    path("cameras/new", camera_edit.add, name="camera-add"),
    path("cameras/test", camera_edit.test, name="camera-test"),
    path("cameras/<uuid:pk>", camera.camera, name="camera"),
    path("cameras/<uuid:pk>/edit", camera_edit.edit, name="camera-edit"),
    path("cameras/<uuid:pk>/delete", camera_edit.delete, name="camera-delete"),
    path("cameras/<uuid:pk>/still.jpg", camera.still, name="camera-still"),
    path("cameras/<uuid:pk>/keys", camera.add_stream_key, name="streamkey-add"),
    path(
        "cameras/<uuid:pk>/keys/<uuid:key>/revoke",
        camera.revoke_stream_key,
        name="streamkey-revoke",
    ),
]
