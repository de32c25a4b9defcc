"""`/healthz` and `/readyz`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from cameras.models import Camera, CameraState, Kind
from project.accounts.models import Organization

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _static_folder(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path  # otherwise WhiteNoise warns


def get(path: str) -> tuple[int, str]:
    answer = Client().get(path)
    return answer.status_code, answer.content.decode()


@pytest.fixture
def gate() -> Camera:
    club = Organization.objects.create(name="Club", slug="club")
    return Camera.objects.create(organization=club, name="Gate", kind=Kind.DEMO)


def set_last_frame(camera: Camera, seconds_ago: float) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    CameraState.objects.update_or_create(camera=camera, defaults={"last_frame_at": at})


def test_ready_without_a_camera_and_with_one_that_delivers(gate: Camera) -> None:
    set_last_frame(gate, 1)
    assert get("/readyz") == (200, "ready\n")
    gate.delete()
    assert get("/readyz") == (200, "ready\n")


@pytest.mark.postgres
def test_not_ready_while_no_camera_delivers(gate: Camera) -> None:
    assert get("/readyz") == (503, "not ready\n")
    set_last_frame(gate, 120)
    assert get("/readyz") == (503, "not ready\n")
    assert get("/healthz") == (200, "ok\n")


@pytest.mark.postgres
@pytest.mark.parametrize("clock_error_s", [-3600, 3600])
def test_wrong_clock_of_an_ingest_host_changes_no_readiness(
    gate: Camera, clock_error_s: float
) -> None:
    set_last_frame(gate, -clock_error_s)
    assert get("/readyz") == (503, "not ready\n"), "no process has said that it is live"
    CameraState.objects.filter(camera=gate).update(state="live", reported_at=Now())
    assert get("/readyz") == (200, "ready\n")
    hour = timedelta(hours=1)
    CameraState.objects.filter(camera=gate).update(reported_at=Now() - hour)
    assert get("/readyz") == (503, "not ready\n")


def test_disabled_and_push_cameras_do_not_count_for_readiness(gate: Camera) -> None:
    Camera.objects.filter(pk=gate.pk).update(enabled=False)
    Camera.objects.create(organization=gate.organization, name="Phone", kind=Kind.PUSH)
    assert get("/readyz") == (200, "ready\n")


@pytest.mark.postgres
def test_not_ready_without_tables(gate: Camera) -> None:
    set_last_frame(gate, 1)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cameras_camera RENAME TO cameras_lost")  # undone by rollback
    assert get("/readyz") == (503, "not ready\n")
    assert get("/healthz") == (200, "ok\n")
