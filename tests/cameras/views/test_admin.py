"""The admin of cameras and stream keys."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.models import Camera, CameraStill, Kind, StreamKey
from project.accounts.models import Organization, User
from tests.cameras.views.rows import PASSWORD, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(club: Organization) -> Client:
    return client_of(User.objects.create_superuser("root", password=PASSWORD))


def test_admin_masks_sources_and_shows_thumbnails(club: Organization, staff: Client) -> None:
    camera = Camera(organization=club, name="Goal", kind=Kind.RTSP)
    camera.source = "rtsp://u:secret@192.0.2.7/a"
    camera.save()
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at=timezone.now())
    listing = staff.get(reverse("admin:cameras_camera_changelist")).content.decode()
    change = staff.get(reverse("admin:cameras_camera_change", args=[camera.pk])).content.decode()
    assert "192.0.2.7" in listing
    assert "192.0.2.7" in change
    assert "secret@" not in listing + change
    thumbnail = reverse("admin:cameras_camera_thumbnail", args=[camera.pk])
    assert thumbnail in listing


@pytest.mark.postgres
def test_admin_lists_do_not_query_per_row(
    club: Organization, staff: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        camera = Camera.objects.create(organization=club, name=f"C{number}", kind=Kind.PUSH)
        StreamKey(camera=camera, name="TV").issue()
    for model in (
        "cameras_camera", "cameras_streamkey",
        "accounts_organization", "accounts_token", "accounts_user",
    ):  # fmt: skip
        with django_assert_max_num_queries(12):
            assert staff.get(reverse(f"admin:{model}_changelist")).status_code == 200


@pytest.mark.postgres
def test_admin_actions_disable_cameras_and_revoke_keys(camera: Camera, staff: Client) -> None:
    listing = reverse("admin:cameras_camera_changelist")
    staff.post(listing, {"action": "disable", "_selected_action": [camera.pk]})
    camera.refresh_from_db()
    assert not camera.enabled
    key = StreamKey(camera=camera, name="TV")
    key.issue()
    listing = reverse("admin:cameras_streamkey_changelist")
    assert key.digest not in staff.get(listing).content.decode()
    staff.post(listing, {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert not key.is_alive
