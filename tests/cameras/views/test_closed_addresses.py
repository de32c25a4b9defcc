"""The camera form and “Test connection” reach only listed addresses of this machine."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from cameras.ingest.configurations import load_configurations
from cameras.models import Camera
from project.accounts.models import Organization, User
from tests.cameras.views.rows import client_of, fields
from tests.rtsp import rtsp_camera
from tests.servers import http_camera

pytestmark = pytest.mark.django_db


def test_connection_test_reaches_only_listed_addresses(admin: User, settings: Any) -> None:
    def run_connection_test(kind: str, source: str) -> str:
        body = {"kind": kind, "source": source}
        return str(client_of(admin).post(reverse("camera-test"), body).json()["sentence"])

    with rtsp_camera() as camera, http_camera() as page, rtsp_camera() as other:
        page.location = f"http://127.0.0.1:{other.port}/cam"
        for kind, base in (("rtsp", other.url), ("http", page.url)):
            assert "in SIDELINE_CAMERA_SERVERS." in run_connection_test(kind, base)
            assert "localhost" not in run_connection_test(kind, base.replace("127.0.0.1", "127.1"))
        assert (page.requests, other.connections) == ([], 0)
        settings.CAMERA_SERVERS = frozenset(f"127.0.0.1:{one.port}" for one in (camera, page))
        assert run_connection_test("rtsp", camera.url) == "Connected: 768×432."
        assert run_connection_test("http", page.url) == "Connected: 768×432."
        assert "an address that is closed" in run_connection_test("http", page.base + "/redirect")
        assert "are closed" in run_connection_test("rtsp", other.url)
        assert other.connections == 0


def test_camera_is_stored_only_if_its_address_is_allowed(
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
    assert load_configurations()[str(camera.pk)]["listed"] == ["127.0.0.1:8554"], (
        "the worker may connect to it"
    )
