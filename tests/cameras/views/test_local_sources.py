"""Files and devices of this machine on the camera form, over the API, and in the admin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from cameras.ingest.sources.probe import Probe
from cameras.models import Camera, DeviceGrant
from cameras.models.local_sources import media_folder
from project.accounts.models import Membership, Organization, Role, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import client_of, fields, person

pytestmark = pytest.mark.django_db
NO_SUCH_FILE = "There is no such file in the organization's media folder."


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_DIR = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def other(outsider: User) -> Organization:
    return Organization.objects.get(slug="other")


@pytest.fixture
def final(club: Organization) -> Path:
    """A file of the club's."""
    file = media_folder(club.pk) / "games" / "final.mp4"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    return file


def shown(user: User, address: str, kind: str, organization: Organization) -> str:
    """What the form shows of one organization for one kind of source."""
    html = client_of(user).get(address).content.decode()
    found = re.findall(
        rf'<div data-kind="{kind}" data-organization="{organization.pk}">(.*?)</div>', html, re.S
    )
    return "".join(found)


def test_form_offers_the_files_of_its_organization(
    club: Organization, other: Organization, admin: User, outsider: User, final: Path
) -> None:
    page = reverse("camera-add")
    ours = shown(admin, page, "file", club)
    assert 'data-pick="games/final.mp4"' in ours
    assert f"media/{club.pk}/" in ours
    theirs = shown(outsider, page, "file", other)
    assert "There is no file yet" in theirs
    assert shown(outsider, page, "file", club) == ""
    assert media_folder(other.pk).is_dir(), "the folder that it names exists"


def test_form_offers_devices_that_are_granted(
    club: Organization, other: Organization, admin: User, outsider: User
) -> None:
    page = reverse("camera-add")
    assert "Ask who runs the server" in shown(admin, page, "device", club)
    DeviceGrant.objects.create(organization=club, device=3)
    DeviceGrant.objects.create(organization=other, device=4)
    ours = shown(admin, page, "device", club)
    assert re.findall(r'data-pick="(.*?)"', ours) == ["/dev/video3"]
    Membership.objects.create(user=admin, organization=other, role=Role.ADMIN)
    assert "/dev/video4" in shown(admin, page, "device", other)


def test_form_of_a_camera_offers_what_its_organization_may_use(
    club: Organization, other: Organization, camera: Camera, admin: User, final: Path
) -> None:
    Membership.objects.create(user=admin, organization=other, role=Role.ADMIN)
    page = reverse("camera-edit", args=[camera.pk])
    assert "games/final.mp4" in shown(admin, page, "file", club)
    assert shown(admin, page, "file", other) == ""


@pytest.mark.parametrize("kind", ["file", "device"])
def test_foreign_source_is_refused_by_form_api_and_test(
    club: Organization, other: Organization, outsider: User, final: Path, kind: str
) -> None:
    DeviceGrant.objects.create(organization=club, device=3)
    sources = {"file": "games/final.mp4", "device": "/dev/video3"}
    missing = {"file": "games/none.mp4", "device": "/dev/video3"}
    client, sentences = client_of(outsider), set()
    for source in (sources[kind], missing[kind]):
        data = fields(organization=other.pk, kind=kind, source=source)
        form = client.post(reverse("camera-add"), data).context["form"]
        body = {"organization": str(other.pk), "name": "Goal", "kind": kind, "source": source}
        answer = client.post("/api/v1/cameras", body, content_type="application/json")
        tested = client.post(reverse("camera-test"), body).json()
        assert answer.status_code == 400
        sentences |= {*form.errors["source"], *answer.json()["errors"]["source"]}
        sentences |= {tested["sentence"]}
    assert len(sentences) == 1, "existing and missing ones are not told apart"
    assert not Camera.objects.exists()


def test_camera_cannot_be_switched_to_a_foreign_file(
    camera: Camera, other: Organization, outsider: User, club: Organization, final: Path
) -> None:
    theirs = Camera.objects.create(organization=other, name="Theirs", kind="push")
    page = f"/api/v1/cameras/{theirs.pk}"
    body = {"kind": "file", "source": "games/final.mp4"}
    answer = client_of(outsider).patch(page, body, content_type="application/json")
    assert answer.json()["errors"]["source"] == [NO_SUCH_FILE]
    tested = client_of(outsider).post(reverse("camera-test"), body | {"camera": theirs.pk})
    assert tested.json()["sentence"] == NO_SUCH_FILE


def test_connection_test_reads_files_of_the_chosen_organization(
    club: Organization,
    other: Organization,
    admin: User,
    operator: User,
    final: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Path] = []

    def probe(kind: str, source: str, *, media_root: Path, **_: Any) -> Probe:
        opened.append(media_root / source)
        return Probe(True, "Connected: 640×360.")

    monkeypatch.setattr("cameras.source_check.test_connection", probe)
    body = {"kind": "file", "source": "games/final.mp4"}
    address = reverse("camera-test")
    ours = body | {"organization": club.pk}
    assert client_of(admin).post(address, ours).json()["ok"]
    assert opened == [final]
    assert client_of(admin).post(address, body | {"organization": other.pk}).status_code == 404
    assert client_of(admin).post(address, body | {"organization": "nonsense"}).status_code == 404
    assert client_of(operator).post(address, ours).status_code == 403
    assert "Choose the organization" in client_of(admin).post(address, body).json()["sentence"]
    Membership.objects.create(user=admin, organization=other, role=Role.OPERATOR)
    assert client_of(admin).post(address, body | {"organization": other.pk}).status_code == 403


def test_staff_grant_and_withdraw_devices(club: Organization) -> None:
    root = person("root")
    root.is_staff = root.is_superuser = True
    root.save()
    staff, page = client_of(root), reverse("admin:cameras_devicegrant_add")
    form = {"organization": club.pk, "device": 3}
    assert staff.post(page, form).status_code == 302
    grant = DeviceGrant.objects.get()
    assert "already" in staff.post(page, form).content.decode()
    assert staff.post(page, form | {"device": 64}).status_code == 200
    staff.post(reverse("admin:cameras_devicegrant_delete", args=[grant.pk]), {"post": "yes"})
    assert not DeviceGrant.objects.exists()
    entries = AuditEntry.objects.filter(organization=club).order_by("pk")
    assert [*entries.values_list("action", "subject")] == [
        ("grant device", "/dev/video3"),
        ("withdraw device", "/dev/video3"),
    ]


def test_only_staff_with_the_right_grant_devices(
    club: Organization, admin: User, client: Client
) -> None:
    page, form = reverse("admin:cameras_devicegrant_add"), {"organization": club.pk, "device": 3}
    client_of(admin).post(page, form)
    admin.is_staff = True
    admin.save()
    assert client_of(admin).post(page, form).status_code == 403
    assert not DeviceGrant.objects.exists()
    admin.user_permissions.add(Permission.objects.get(codename="add_devicegrant"))
    assert client_of(admin).post(page, form).status_code == 302
    assert DeviceGrant.objects.exists()
