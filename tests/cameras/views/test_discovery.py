"""The search for cameras and for their streams, as the camera form asks for them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.urls import reverse

from cameras.ingest.sources.onvif import discovery
from cameras.models import Camera, Kind
from project.accounts.models import Organization, User
from tests.cameras.views.rows import client_of
from tests.onvif import ONVIFCamera, match, onvif_camera, responder

pytestmark = pytest.mark.django_db

LOGIN = {"user": "admin", "password": "hunter2-hunter2"}


@pytest.fixture(autouse=True)
def _this_machine_is_open(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ALLOW_LOOPBACK_SOURCES = True
    monkeypatch.setattr(discovery, "GATHER_S", 0.2)


@pytest.fixture
def onvif(monkeypatch: pytest.MonkeyPatch) -> Iterator[ONVIFCamera]:
    with onvif_camera() as camera:
        camera.login = (LOGIN["user"], LOGIN["password"])
        with responder(lambda _, id: [match(id, camera.address)]) as answering:
            monkeypatch.setattr(discovery, "GROUP", answering.target)
            yield camera


def search(user: User, organization: Any) -> Any:
    return client_of(user).post(reverse("camera-discover"), {"organization": organization})


def ask(member: User, organization: Any, camera: ONVIFCamera, **login: str) -> Any:
    body = {"organization": organization, "address": camera.address, **(login or LOGIN)}
    return client_of(member).post(reverse("camera-discover-streams"), body)


def test_search_lists_cameras_and_says_which_are_known(
    club: Organization, admin: User, outsider: User, onvif: ONVIFCamera
) -> None:
    expected = {
        "address": onvif.address, "host": "127.0.0.1", "name": "Front door",
        "hardware": "DS-2CD2042", "known": "",
    }  # fmt: skip
    other = Organization.objects.get(slug="other")
    known = Camera(organization=club, name="Door", kind=Kind.RTSP)
    known.source = "rtsp://u:secret@127.0.0.1:8554/a"
    known.save()
    assert search(outsider, other.pk).json() == {"cameras": [expected], "sentence": ""}
    assert search(admin, club.pk).json()["cameras"] == [expected | {"known": "Door"}]


def test_empty_search_says_why_that_may_be(
    club: Organization, admin: User, onvif: ONVIFCamera, settings: Any
) -> None:
    settings.ALLOW_LOOPBACK_SOURCES = False
    answer = search(admin, club.pk).json()
    assert answer["cameras"] == []
    for cause in ("network segment", "Docker", "ONVIF", "own address"):
        assert cause in answer["sentence"]


def test_streams_are_listed_and_the_login_is_not_repeated(
    club: Organization, admin: User, onvif: ONVIFCamera, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = ask(admin, club.pk, onvif)
    assert [each["kind"] for each in answer.json()["streams"]] == ["rtsp", "rtsp", "http"]
    wrong = ask(admin, club.pk, onvif, user="admin", password="wrong-wrong").json()
    assert "refused this user name and password" in wrong["sentence"]
    assert wrong["streams"] == []
    for secret in ("hunter2", "wrong-wrong"):
        assert secret not in answer.content.decode() + str(wrong) + caplog.text


def test_closed_address_is_not_asked_for_streams(
    club: Organization, admin: User, onvif: ONVIFCamera, settings: Any
) -> None:
    settings.ALLOW_LOOPBACK_SOURCES = False
    assert "are closed" in ask(admin, club.pk, onvif).json()["sentence"]
    assert onvif.asked == []


def test_one_search_of_an_organization_runs_at_a_time(
    club: Organization, admin: User, onvif: ONVIFCamera
) -> None:
    def statuses() -> tuple[int, int]:
        return search(admin, club.pk).status_code, ask(admin, club.pk, onvif).status_code

    for running, expected in (("search", (429, 200)), ("streams", (200, 429))):
        cache.add(f"discovery-{running}-{club.pk}", True, 60)
        try:
            assert statuses() == expected
        finally:
            cache.delete(f"discovery-{running}-{club.pk}")
    assert statuses() == statuses() == (200, 200), "those before have ended"


def test_only_administrators_can_search(
    club: Organization, operator: User, viewer: User, outsider: User, onvif: ONVIFCamera
) -> None:
    for user, status in ((operator, 403), (viewer, 403), (outsider, 404)):
        assert search(user, club.pk).status_code == status
        assert ask(user, club.pk, onvif).status_code == status
    assert search(outsider, uuid.uuid4()).status_code == 404
    assert search(outsider, "nonsense").status_code == 404
    assert onvif.asked == []


def test_organization_has_to_be_chosen(admin: User, onvif: ONVIFCamera) -> None:
    assert search(admin, "").status_code == 400
