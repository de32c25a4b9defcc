"""The camera form and its “Test connection” reach nothing of this machine that is not listed."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from cameras.ingest.configurations import configurations
from cameras.models import Camera
from project.accounts.models import Organization, User
from tests.cameras.views.rows import client_of, fields
from tests.rtsp import rtsp_camera
from tests.servers import http_camera

pytestmark = pytest.mark.django_db


def test_a_connection_test_reaches_what_is_listed_and_nothing_else(
    admin: User, settings: Any
) -> None:
    def tried(kind: str, source: str) -> str:
        body = {"kind": kind, "source": source}
        return str(client_of(admin).post(reverse("camera-test"), body).json()["sentence"])

    with rtsp_camera() as camera, http_camera() as page, rtsp_camera() as other:
        page.location = f"http://127.0.0.1:{other.port}/cam"
        for kind, base in (("rtsp", other.url), ("http", page.url)):
            assert "in SIDELINE_CAMERA_SERVERS." in tried(kind, base)
            assert "localhost" not in tried(kind, base.replace("127.0.0.1", "127.1"))
        assert (page.requests, other.connections) == ([], 0)
        settings.CAMERA_SERVERS = frozenset(f"127.0.0.1:{one.port}" for one in (camera, page))
        assert tried("rtsp", camera.url) == "Connected: 768×432."
        assert tried("http", page.url) == "Connected: 768×432."
        assert "an address that is closed" in tried("http", page.base + "/redirect")
        assert "are closed" in tried("rtsp", other.url)
        assert other.connections == 0


def test_a_camera_is_stored_only_where_its_address_is_open(
    club: Organization, admin: User, settings: Any
) -> None:
    def add(source: str) -> str:
        data = fields(organization=club.pk, source=source)
        return client_of(admin).post(reverse("camera-add"), data).content.decode()

    for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254", "[fe80::1]", "localhost"):
        assert "are closed" in add(f"rtsp://{host}:8554/x")
    assert not Camera.objects.filter(name="Goal").exists()
    settings.CAMERA_SERVERS = frozenset({"127.0.0.1:8554"})
    assert "are closed" in add("rtsp://127.0.0.1:8555/x")
    assert add("rtsp://127.0.0.1:8554/x") == ""
    camera = Camera.objects.get(name="Goal")
    assert configurations()[str(camera.pk)]["listed"] == ["127.0.0.1:8554"], "its worker knows"
