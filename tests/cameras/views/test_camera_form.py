"""Adding, editing, testing and removing cameras on the pages."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse

from cameras.ingest.sources.addresses import Address
from cameras.models import Camera
from project.accounts.models import Organization, User
from tests.cameras.views.rows import client_of, fields

pytestmark = pytest.mark.django_db


@pytest.mark.postgres
def test_administrator_can_add_a_camera(club: Organization, admin: User) -> None:
    answer = client_of(admin).post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get(name="Goal")
    assert answer.status_code == 302
    assert camera.organization == club
    assert camera.source == "rtsp://u:secret@192.0.2.7/a"
    assert camera.classes == ["person"]


def test_camera_cannot_be_added_to_a_foreign_organization(
    club: Organization, admin: User, outsider: User
) -> None:
    foreign = Organization.objects.get(slug="other")
    answer = client_of(admin).post(reverse("camera-add"), fields(organization=foreign.pk))
    assert answer.status_code == 200
    assert not Camera.objects.filter(name="Goal").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"source": "ftp://192.0.2.7/a"}, "rtsp://"),
        ({"source": ""}, "not a complete address"),
        ({"fps": "31"}, "less than or equal to 30"),
        ({"time_zone": "Mars/Base"}, "is not a time zone"),
        ({"classes": ["unicorn"]}, "unicorn"),
    ],
)
def test_invalid_field_gets_an_error_sentence(
    club: Organization, camera: Camera, admin: User, changes: dict[str, Any], sentence: str
) -> None:
    data = fields(organization=club.pk, **changes)
    answer = client_of(admin).post(reverse("camera-add"), data)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Camera.objects.filter(name="Goal").exists()


@pytest.mark.postgres
def test_duplicate_name_is_reported_at_the_name_field(
    club: Organization, camera: Camera, admin: User
) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    goal = Camera.objects.get(name="Goal")
    added = client.post(reverse("camera-add"), fields(organization=club.pk))
    renamed = client.post(reverse("camera-edit", args=[goal.pk]), fields(name="Gate"))
    for answer in (added, renamed):
        assert answer.context["form"].errors.keys() == {"name"}


def test_edit_form_cannot_move_a_camera(camera: Camera, admin: User, outsider: User) -> None:
    foreign = Organization.objects.get(slug="other")
    page = reverse("camera-edit", args=[camera.pk])
    client_of(admin).post(page, fields(kind="push", name="Moved", organization=foreign.pk))
    former = camera.organization_id
    camera.refresh_from_db()
    assert (camera.name, camera.organization_id) == ("Moved", former)


def test_stored_password_is_not_shown_and_is_kept(club: Organization, admin: User) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get(name="Goal")
    address = reverse("camera-edit", args=[camera.pk])
    assert "secret" not in client.get(address).content.decode()
    client.post(address, fields(name="Goal 2", source=camera.shown_source))
    camera.refresh_from_db()
    assert (camera.name, camera.source) == ("Goal 2", "rtsp://u:secret@192.0.2.7/a")


def test_stored_password_is_not_sent_to_another_host(club: Organization, admin: User) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get(name="Goal")
    moved = camera.shown_source.replace("192.0.2.7", "192.0.2.8")
    answer = client.post(reverse("camera-edit", args=[camera.pk]), fields(source=moved))
    assert "Enter the password again" in answer.content.decode()
    body = {"camera": camera.pk, "kind": "rtsp", "source": moved}
    answer = client.post(reverse("camera-test"), body)
    assert answer.json()["ok"] is False
    assert "Enter the password again" in answer.json()["sentence"]


def add(client: Any, club: Organization, **changes: Any) -> Camera:
    answer = client.post(reverse("camera-add"), fields(organization=club.pk, **changes))
    assert answer.status_code == 302, answer.context["form"].errors
    return Camera.objects.get(name=changes.get("name", "Goal"))


def test_login_has_fields_of_its_own(club: Organization, admin: User) -> None:
    client = client_of(admin)
    login = {"user": "a:b", "password": "p@ss/w#rd ü"}
    camera = add(client, club, source="rtsp://192.0.2.7/a?channel=1", **login)
    address = Address.parse("rtsp", camera.source)
    assert (address.user, address.password) == ("a:b", "p@ss/w#rd ü")
    page = client.get(reverse("camera-edit", args=[camera.pk])).content.decode()
    assert 'value="rtsp://192.0.2.7/a?channel=1"' in page
    assert 'value="a:b"' in page
    assert "w#rd" not in page
    assert "ü" not in page


def test_empty_password_keeps_the_stored_one_for_the_same_address(
    club: Organization, admin: User
) -> None:
    client = client_of(admin)
    login = {"user": "u", "password": "se:cret"}
    camera = add(client, club, source="rtsp://192.0.2.7/a", **login)
    page, stored = reverse("camera-edit", args=[camera.pk]), camera.source
    same = {"source": "rtsp://192.0.2.7/a", "user": "u", "password": ""}
    assert client.post(page, fields(name="Goal 2", **same)).status_code == 302
    camera.refresh_from_db()
    assert (camera.name, camera.source) == ("Goal 2", stored)
    for path in (page, reverse("camera-test")):
        elsewhere = same | {"source": "rtsp://192.0.2.8/a", "camera": camera.pk}
        answer = client.post(path, fields(**elsewhere)).content.decode()
        assert "Enter the password again" in answer
    client.post(page, fields(**same | {"password": "new"}))
    camera.refresh_from_db()
    assert camera.source == "rtsp://u:new@192.0.2.7/a"


def test_login_in_the_address_wins_over_the_fields(club: Organization, admin: User) -> None:
    camera = add(client_of(admin), club, user="old", password="old")
    assert camera.source == "rtsp://u:secret@192.0.2.7/a"


def test_other_user_without_a_password_does_not_get_the_stored_one(
    club: Organization, admin: User
) -> None:
    client = client_of(admin)
    camera = add(client, club, source="rtsp://192.0.2.7/a", user="u", password="secret")
    other = fields(source="rtsp://192.0.2.7/a", user="v", password="")
    client.post(reverse("camera-edit", args=[camera.pk]), other)
    camera.refresh_from_db()
    assert camera.source == "rtsp://v@192.0.2.7/a"


def test_changing_to_push_clears_the_source(club: Organization, admin: User) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get(name="Goal")
    data = fields(kind="push", source=camera.shown_source)
    assert client.post(reverse("camera-edit", args=[camera.pk]), data).status_code == 302
    camera.refresh_from_db()
    assert camera.source == ""


def test_connection_test_returns_a_sentence(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    probed: list[tuple[str, str]] = []

    def probe(kind: str, source: str, **_: Any) -> SimpleNamespace:
        probed.append((kind, source))
        return SimpleNamespace(ok=True, sentence="A picture of 640 × 360 arrived.", jpeg=b"JPEG")

    monkeypatch.setattr("cameras.source_check.test_connection", probe)
    body = {"kind": "rtsp", "source": "rtsp://192.0.2.7/a"}
    answer = client_of(admin).post(reverse("camera-test"), body)
    sentence = "A picture of 640 × 360 arrived."
    assert answer.json() == {"ok": True, "sentence": sentence, "picture": "SlBFRw=="}
    assert probed == [("rtsp", "rtsp://192.0.2.7/a")]


def test_only_administrators_can_test_connections(
    camera: Camera, operator: User, outsider: User
) -> None:
    address = reverse("camera-test")
    assert client_of(operator).post(address, {"kind": "rtsp"}).status_code == 403
    for pk in (camera.pk, uuid.uuid4(), "nonsense"):
        assert client_of(outsider).post(address, {"camera": pk}).status_code == 404


@pytest.mark.postgres
def test_camera_is_removed_only_after_confirmation(camera: Camera, admin: User) -> None:
    client, address = client_of(admin), reverse("camera-delete", args=[camera.pk])
    assert "cannot be undone" in client.get(address).content.decode()
    assert Camera.objects.filter(pk=camera.pk).exists()
    client.post(address)
    assert not Camera.objects.filter(pk=camera.pk).exists()


def test_test_button_is_disabled_until_its_script_runs(club: Organization, admin: User) -> None:
    """A click before that would be lost."""
    page = client_of(admin).get(reverse("camera-add")).content.decode()
    assert 'disabled data-test="' in page
