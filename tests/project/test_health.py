"""`/healthz` and `/readyz`."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from cameras.models import Camera, Kind
from project.accounts.models import Organization
from project.database import probe
from project.models import WriteCheck

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _new_process(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STATIC_ROOT = tmp_path  # otherwise WhiteNoise warns
    monkeypatch.setattr(probe, "readiness", probe.Readiness())


def get(path: str) -> tuple[int, str]:
    answer = Client().get(path)
    return answer.status_code, answer.content.decode()


@pytest.mark.postgres
def test_ready_if_the_database_can_be_written() -> None:
    assert get("/readyz") == (200, "ready\n")
    first = bytes(WriteCheck.objects.get().filling)
    probe.write()
    assert bytes(WriteCheck.objects.get().filling) != first


def test_ready_while_no_camera_delivers() -> None:
    """An unplugged camera must not take the page on which it is repaired out of a balancer."""
    club = Organization.objects.create(name="Club", slug="club")
    Camera.objects.create(organization=club, name="Gate", kind=Kind.DEMO)
    assert get("/readyz") == (200, "ready\n")


@pytest.mark.postgres
def test_not_ready_without_tables(caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE project_writecheck RENAME TO lost")  # undone by rollback
    assert get("/readyz") == (503, "not ready\n")
    assert "the database could not be written" in caplog.text
    assert get("/healthz") == (200, "ok\n")
