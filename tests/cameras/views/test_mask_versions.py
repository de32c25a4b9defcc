"""The version of a camera's masks: however they are changed, no version is used twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.live.mask_versions import MaskVersions
from cameras.models import Camera, CameraStill, Kind
from project.accounts.models import Organization, Role, Token, User
from tests.cameras.views.rows import PASSWORD, client_of, fields, person

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

ONE = [[[0, 0], [0.5, 0], [0.5, 0.5]]]

Way = Callable[[Camera, Any], None]


@pytest.fixture
def camera() -> Camera:
    club = Organization.objects.create(name="Club", slug="club", time_zone="Europe/Berlin")
    return Camera.objects.create(organization=club, name="Gate", kind=Kind.PUSH, masks=ONE)


def by_save(camera: Camera, masks: Any) -> None:
    camera = Camera.objects.get(pk=camera.pk)
    camera.masks = masks
    camera.save(update_fields=["masks"])


def by_queryset_update(camera: Camera, masks: Any) -> None:
    Camera.objects.filter(pk=camera.pk, masks=Camera.objects.get(pk=camera.pk).masks).update(
        masks=masks
    )


def by_bulk_update(camera: Camera, masks: Any) -> None:
    camera = Camera.objects.get(pk=camera.pk)
    camera.masks = masks
    Camera.objects.bulk_update([camera], ["masks"])


def by_api(camera: Camera, masks: Any) -> None:
    user = User.objects.filter(username="api").first()
    user = user or person("api", camera.organization, Role.ADMIN)
    terms = {"user": user, "organization": camera.organization, "scopes": ["read", "admin"]}
    _, token = Token.objects.create(**terms)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    address = reverse("api-camera-detail", args=[camera.pk])
    body = json.dumps({"masks": masks})
    assert client.patch(address, body, content_type="application/json").status_code == 200


def by_form(camera: Camera, masks: Any) -> None:
    user = User.objects.filter(username="form").first()
    user = user or person("form", camera.organization, Role.ADMIN)
    _post(client_of(user), reverse("camera-edit", args=[camera.pk]), camera, masks)


def by_admin(camera: Camera, masks: Any) -> None:
    root = User.objects.filter(is_superuser=True).first()
    root = root or User.objects.create_superuser("root", password=PASSWORD)
    address = reverse("admin:cameras_camera_change", args=[camera.pk])
    _post(client_of(root), address, camera, masks)


def _post(client: Client, address: str, camera: Camera, masks: Any) -> None:
    stored = json.dumps(Camera.objects.get(pk=camera.pk).masks)
    changes = {"kind": "push", "source": "", "name": "Gate", "masks": json.dumps(masks)}
    hidden = {"organization": camera.organization_id, "initial-masks": stored}
    assert client.post(address, fields(**changes, **hidden)).status_code == 302


WAYS = (by_save, by_queryset_update, by_bulk_update, by_api, by_form, by_admin)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_every_change_of_the_masks_gives_a_new_version(camera: Camera, way: Way) -> None:
    versions = [camera.mask_version]
    for masks in ([], ONE, [], ONE):
        CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at=timezone.now())
        way(camera, masks)
        now = Camera.objects.get(pk=camera.pk)
        assert now.masks == masks
        assert not CameraStill.objects.exists(), "it shows what may be masked"
        versions.append(now.mask_version)
    assert len(set(versions)) == 5
    assert all(versions[1:]), "only masks that were never changed have an empty version"


def test_other_changes_keep_the_mask_version(camera: Camera) -> None:
    by_save(camera, [])
    renamed = Camera.objects.get(pk=camera.pk)
    before = renamed.mask_version
    renamed.name = "Yard"
    renamed.save()
    assert Camera.objects.get(pk=camera.pk).mask_version == renamed.mask_version == before


def test_stale_instance_counts_on_from_the_stored_version(camera: Camera) -> None:
    late = Camera.objects.get(pk=camera.pk)
    by_save(camera, [])
    by_save(camera, ONE)
    late.masks = [*ONE, *ONE]
    late.save()
    assert late.mask_changes == Camera.objects.get(pk=camera.pk).mask_changes == 3


def test_viewer_who_joins_after_a_mask_change_gets_no_older_picture(
    camera: Camera,
) -> None:
    versions = MaskVersions()
    assert versions.accept(Camera.objects.get(pk=camera.pk).mask_version, 0.0)
    by_save(camera, [])
    between = Camera.objects.get(pk=camera.pk).mask_version
    assert versions.accept(between, 0.1)
    by_save(camera, ONE)
    again = Camera.objects.get(pk=camera.pk).mask_version
    assert not versions.expect(again, 0.2)
    assert not versions.accept(between, 0.3)
    assert versions.accept(again, 0.4)
