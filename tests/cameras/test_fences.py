"""Fences in the database: a process that lost its lease cannot write."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from cameras.ingest import configurations, state_writer
from cameras.models import Camera, CameraState, CameraStill
from project.accounts.models import Organization

pytestmark = pytest.mark.postgres


@pytest.fixture
def camera(db: None) -> Camera:
    organization = Organization.objects.create(name="Club", slug="club")
    return Camera.objects.create(organization=organization, name="Pitch", kind="demo")


def packet(camera: Camera, fence: int, **facts: object) -> dict[str, object]:
    return {
        "camera": str(camera.pk), "fence": fence, "state": "live", "since": 1000, "reason": "",
        "fps": 10.0, "width": 640, "height": 360, "last_frame": 2000,
    } | facts  # fmt: skip


def test_fences_only_rise(camera: Camera) -> None:
    claimed = [configurations.claim_fences([str(camera.pk)])[str(camera.pk)] for _ in range(3)]
    assert claimed == [1, 2, 3]
    state = CameraState.objects.get(camera=camera)
    assert state.state == "connecting"
    assert timezone.now() - state.reported_at < timedelta(seconds=10)


def test_deleted_camera_has_no_fence(camera: Camera) -> None:
    gone = str(camera.pk)
    camera.delete()
    assert configurations.claim_fences([gone]) == {}


def test_lower_fence_cannot_write(camera: Camera) -> None:
    pk = str(camera.pk)
    (old,), (new,) = (configurations.claim_fences([pk]).values() for _ in range(2))
    state_writer.store_state(packet(camera, new))
    state_writer.store_still(pk, new, 2000, b"new")
    with pytest.raises(state_writer.StaleFence):
        state_writer.store_state(packet(camera, old, state="offline"))
    with pytest.raises(state_writer.StaleFence):
        state_writer.store_still(pk, old, 9000, b"old")
    assert CameraState.objects.get(camera=camera).state == "live"
    assert bytes(CameraStill.objects.get(camera=camera).jpeg) == b"new"


def test_lower_fence_cannot_store_the_first_still(camera: Camera) -> None:
    pk = str(camera.pk)
    (old,), _ = (configurations.claim_fences([pk]).values() for _ in range(2))
    with pytest.raises(state_writer.StaleFence):
        state_writer.store_still(pk, old, 9000, b"old")
    assert not CameraStill.objects.exists()


def test_newest_fence_can_write_repeatedly(camera: Camera) -> None:
    pk = str(camera.pk)
    (fence,) = configurations.claim_fences([pk]).values()
    for reason in ("once", "twice"):
        state_writer.store_state(packet(camera, fence, reason=reason))
        state_writer.store_still(pk, fence, 2000, reason.encode())
    assert CameraState.objects.get(camera=camera).reason == "twice"
    assert bytes(CameraStill.objects.get(camera=camera).jpeg) == b"twice"


def test_reports_on_a_deleted_camera_are_not_stored(camera: Camera) -> None:
    (fence,) = configurations.claim_fences([str(camera.pk)]).values()
    pk, late = str(camera.pk), packet(camera, fence)
    camera.delete()
    state_writer.store_state(late)
    state_writer.store_still(pk, fence, 2000, b"late")
    assert not CameraState.objects.exists()
    assert not CameraStill.objects.exists()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="its test database is one in memory")
def test_concurrent_claims_get_different_fences(
    django_db_setup: None, django_db_blocker: Any
) -> None:
    """Committed rows, cleared by hand: Django cannot flush the tables of a swapped token model."""

    def claim() -> None:
        for _ in range(20):
            claimed.extend(configurations.claim_fences([pk]).values())
        connection.close()

    claimed: list[int] = []
    with django_db_blocker.unblock():
        organization = Organization.objects.create(name="Club", slug="club")
        try:
            pk = str(organization.cameras.create(name="Pitch", kind="demo").pk)
            threads = [threading.Thread(target=claim) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            organization.delete()
    assert sorted(claimed) == list(range(1, 81))
