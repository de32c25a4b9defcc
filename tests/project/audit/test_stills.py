"""Stills are logged as one view."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.urls import reverse

from cameras.models import Camera, CameraStill
from project.accounts.models import User
from project.audit import stills
from project.audit.models import Viewing
from project.audit.requesters import Requester
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


@pytest.mark.postgres
def test_many_stills_are_one_view(camera: Camera, viewer: User, operator: User) -> None:
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at="2026-03-01T10:00Z")
    address, client = reverse("camera-still", args=[camera.pk]), client_of(viewer)
    for _ in range(5):
        assert client.get(address).status_code == 200
    client_of(operator).get(address)
    assert list(Viewing.objects.values_list("who", "action", "subject")) == [
        ("operator", "see stills", "Gate"),
        ("viewer", "see stills", "Gate"),
    ]


def test_concurrent_first_stills_are_one_view(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[Camera] = []
    barrier = threading.Barrier(4)

    def renew(_: Requester, seen: Camera) -> None:
        threading.Event().wait(0.05)  # as long as a slow database
        renewed.append(seen)

    def load(_: int) -> None:
        barrier.wait(20)
        stills.log_still({"client": ("192.0.2.1", 1)}, camera)

    monkeypatch.setattr(stills, "_renew", renew)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(4)))
    assert renewed == [camera]
