"""Files and devices of this machine belong to organizations."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError

from cameras.ingest.configurations import load_configurations
from cameras.models import Camera, DeviceGrant, Kind
from cameras.models.local_sources import (
    FILES_SHOWN,
    media_files,
    media_folder,
    shown_media_folder,
)
from cameras.source_check import check_source
from project.accounts.models import Organization
from tests.installation import installed

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_DIR = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def club() -> Organization:
    return Organization.objects.create(name="Club", slug="club")


@pytest.fixture
def school() -> Organization:
    return Organization.objects.create(name="School", slug="school")


def put(file: Path, content: bytes = b"x") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def camera_of(organization: Organization, kind: Kind, source: str) -> Camera:
    camera = Camera(organization=organization, name=f"{kind} {source}"[:80], kind=kind)
    camera.source = source
    return camera


def refusal(organization: Organization, kind: Kind, source: str) -> str:
    """The sentence for a source that this organization may not use, when saved and when tested."""
    camera = camera_of(organization, kind, source)
    with pytest.raises(ValidationError) as caught:
        camera.full_clean()
    sentence = caught.value.messages[0]
    assert check_source(camera) == {"ok": False, "sentence": sentence, "picture": ""}
    return str(caught.value.messages[0])


def test_file_is_found_in_the_folder_of_its_organization(club: Organization) -> None:
    put(media_folder(club.pk) / "games" / "final.mp4")
    camera = camera_of(club, Kind.FILE, "games/final.mp4")
    camera.full_clean()
    camera.save()
    configuration = load_configurations()[str(camera.pk)]
    assert configuration["media_root"] == str(media_folder(club.pk)), "so the worker reads it there"
    club.slug = club.name = "renamed"
    club.save()
    assert load_configurations()[str(camera.pk)] == configuration


def test_file_of_another_organization_is_as_one_that_does_not_exist(
    club: Organization, school: Organization, media: Path
) -> None:
    put(media_folder(club.pk) / "final.mp4")
    put(media / "old.mp4")
    put(media_folder(school.pk) / "own.mp4")
    (media_folder(school.pk) / "link.mp4").symlink_to(media_folder(club.pk) / "final.mp4")
    (media_folder(school.pk) / "loop.mp4").symlink_to(media_folder(school.pk) / "loop.mp4")
    (media_folder(school.pk) / "club").symlink_to(media_folder(club.pk))
    missing = refusal(school, Kind.FILE, "nowhere.mp4")
    for source in ("final.mp4", "old.mp4", f"{club.pk}/final.mp4", "link.mp4", "loop.mp4",
                   "club/final.mp4", "club/nowhere.mp4", "own.mp4/x", "x" * 300):  # fmt: skip
        assert refusal(school, Kind.FILE, source) == missing, source
    outside = refusal(school, Kind.FILE, "../nowhere.mp4")
    for source in (f"../{club.pk}/final.mp4", "../old.mp4", "a/../../old.mp4", f"{media}/old.mp4",
                   f"../{school.pk}/own.mp4", "~/x.mp4", "..\\old.mp4"):  # fmt: skip
        assert refusal(school, Kind.FILE, source) == outside, source
    camera_of(school, Kind.FILE, "own.mp4").full_clean()


def test_media_folder_may_be_a_link_to_a_larger_disk(
    club: Organization, media: Path, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    media.symlink_to(tmp_path / "disk")
    put(media_folder(club.pk) / "final.mp4")
    camera_of(club, Kind.FILE, "final.mp4").full_clean()
    assert media_files(club.pk) == ["final.mp4"]


def test_files_are_listed_without_links_and_hidden_ones(
    club: Organization, school: Organization
) -> None:
    assert media_files(club.pk) == []
    folder = media_folder(club.pk)
    assert folder.is_dir(), "the folder that is shown exists"
    assert shown_media_folder(club.pk) == f"media/{club.pk}/"
    put(folder / "b.mp4")
    put(folder / "games" / "a.mp4")
    put(folder / ".hidden" / "c.mp4")
    put(put(media_folder(school.pk) / "theirs.mp4"))
    (folder / "link.mp4").symlink_to(folder / "b.mp4")
    (folder / "school").symlink_to(media_folder(school.pk))
    os.mkfifo(folder / "pipe")
    assert media_files(club.pk) == ["b.mp4", "games/a.mp4"]
    for number in range(FILES_SHOWN + 5):
        put(folder / f"{number}.mp4")
    assert len(media_files(club.pk)) == FILES_SHOWN


@pytest.mark.postgres
def test_device_needs_a_grant(club: Organization, school: Organization) -> None:
    sentence = refusal(school, Kind.DEVICE, "/dev/video7")
    assert sentence == (
        "/dev/video7 is not granted to this organization; ask who runs the server to grant it in "
        "the admin, under “Device grants”."
    )
    DeviceGrant.objects.create(organization=club, device=7)
    DeviceGrant.objects.create(organization=school, device=8)
    assert refusal(school, Kind.DEVICE, "7") == sentence
    camera_of(club, Kind.DEVICE, "7").full_clean()
    assert check_source(camera_of(club, Kind.DEVICE, "7"))["sentence"] != sentence


def test_device_is_not_opened_after_its_grant_was_withdrawn(club: Organization) -> None:
    grant = DeviceGrant.objects.create(organization=club, device=7)
    camera = camera_of(club, Kind.DEVICE, "/dev/video7")
    camera.save()
    before = load_configurations()[str(camera.pk)]
    assert (before["source"], before["unusable"]) == ("/dev/video7", "")
    grant.delete()
    after = load_configurations()[str(camera.pk)]
    assert after["source"] == ""
    assert "not granted" in after["unusable"]
    assert "not granted" in check_source(camera)["sentence"]
    camera.enabled = False
    camera.full_clean()  # it can still be switched off


def test_camera_without_an_organization_has_no_local_source(club: Organization) -> None:
    for kind, source in ((Kind.FILE, "final.mp4"), (Kind.DEVICE, "0")):
        camera = Camera(kind=kind)
        camera.source = source
        answer = check_source(camera)
        sentence = "Choose the organization first."
        assert answer == {"ok": False, "sentence": sentence, "picture": ""}


def upgrade() -> None:
    """Run the data migrations."""
    module = "cameras.migrations.0005_grant_devices_in_use"
    import_module(module).grant_devices_in_use(apps, None)
    module = "cameras.migrations.0006_media_folder_of_each_organization"
    import_module(module).move_files(apps, None)


@pytest.mark.postgres
def test_upgrade_keeps_files_and_devices_in_use(
    club: Organization, school: Organization, media: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared = put(media / "games" / "final.mp4")
    own, unused = put(media / "own.mp4"), put(media / "unused.mp4")
    (media / "latest.mp4").symlink_to(own)
    put(media.parent / "outside.mp4")
    cameras = [
        camera_of(club, Kind.FILE, "games/final.mp4"),
        camera_of(school, Kind.FILE, "games/final.mp4"),
        camera_of(club, Kind.FILE, "own.mp4"),
        camera_of(club, Kind.FILE, "latest.mp4"),
        camera_of(club, Kind.DEVICE, "/dev/video2"),
        camera_of(school, Kind.DEVICE, "2"),
    ]
    lost = [camera_of(club, Kind.FILE, source) for source in ("gone.mp4", "../outside.mp4")]
    for camera in (*cameras, *lost):
        camera.save()
    for _ in range(2):  # it may be interrupted and repeated
        upgrade()
        for camera in cameras:
            camera.validate_source()
    folders = media_folder(club.pk), media_folder(school.pk)
    assert os.path.samefile(*(folder / "games" / "final.mp4" for folder in folders))
    assert [shared.exists(), own.exists(), unused.exists()] == [False, False, True]
    assert media_files(school.pk) == ["games/final.mp4"], "nobody else's file"
    assert (media.parent / "outside.mp4").exists()
    assert DeviceGrant.objects.count() == 2
    assert caplog.records == []


def test_upgrade_copies_where_links_are_not_possible_and_goes_on_after_a_failure(
    club: Organization,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def no_links(*_: Any) -> None:
        raise OSError("Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    blocked, final = put(media / "blocked" / "a.mp4"), put(media / "final.mp4", b"film")
    put(media_folder(club.pk) / "blocked")  # where a folder of that name has to be
    for source in ("blocked/a.mp4", "final.mp4"):
        camera_of(club, Kind.FILE, source).save()
    upgrade()
    assert (media_folder(club.pk) / "final.mp4").read_bytes() == b"film"
    assert not final.exists()
    assert blocked.exists()
    assert "could not be moved" in caplog.text


OLD_ROWS = """
from pathlib import Path
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from project.encryption import seal
apps = MigrationLoader(connection).project_state([("cameras", "0001_initial")]).apps
Camera = apps.get_model("cameras", "Camera")
Path(settings.MEDIA_DIR).mkdir(exist_ok=True)
(Path(settings.MEDIA_DIR) / "final.mp4").write_bytes(b"x")
club = Organization.objects.create(name="Club", slug="club")
for kind, source in (("file", "final.mp4"), ("device", "/dev/video3")):
    Camera.objects.create(
        organization_id=club.pk, name=kind, kind=kind,
        sealed_source=seal(source), shown_source=source)
"""
NEW_ROWS = """
from cameras.models import DeviceGrant
for camera in Camera.objects.all():
    camera.validate_source()
print(*DeviceGrant.objects.values_list("organization__slug", "device"))
"""


@pytest.mark.extended
@pytest.mark.postgres
def test_installation_of_the_version_before_is_upgraded(tmp_path: Path) -> None:
    with installed(tmp_path) as installation:
        installation.manage("migrate", "-v0")
        installation.manage("migrate", "cameras", "0001", "-v0")
        installation.manage("shell", "-v0", "-c", OLD_ROWS)
        installation.manage("migrate", "-v0")
        assert installation.manage("shell", "-v0", "-c", NEW_ROWS).strip() == "('club', 3)"
        assert not (installation.folder / "media" / "final.mp4").exists()
