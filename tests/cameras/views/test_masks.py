"""A camera's privacy masks: permissions, validation, and the effects of a change."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.ingest import configurations, state_writer
from cameras.models import Camera, CameraStill
from cameras.models.cameras import CORNERS_MOST, MASKS_MOST
from project.accounts.models import Organization, Token, User
from project.audit.log import Action
from project.audit.models import Viewing
from tests.cameras.views.rows import PASSWORD, client_of, fields

pytestmark = pytest.mark.django_db

ONE = [[[0, 0], [0.5, 0], [0.5, 0.5]]]
OTHER = [[[1, 1], [0.5, 1], [0.5, 0.5]]]


@pytest.fixture
def still(camera: Camera) -> CameraStill:
    return CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at=timezone.now())


def bearer(user: User, club: Organization) -> Client:
    _, text = Token.objects.create(user=user, organization=club, scopes=["read", "admin"])
    return Client(headers={"Authorization": f"Bearer {text}"})


def patch(client: Client, camera: Camera, **values: Any) -> Any:
    address = reverse("api-camera-detail", args=[camera.pk])
    return client.patch(address, json.dumps(values), content_type="application/json")


def push(**changes: Any) -> dict[str, Any]:
    return fields(kind="push", source="", name="Gate") | changes


@pytest.mark.postgres
def test_administrator_can_set_masks_over_the_api(
    camera: Camera, still: CameraStill, club: Organization, admin: User
) -> None:
    answer = patch(bearer(admin, club), camera, masks=ONE)
    assert (answer.status_code, answer.json()["masks"]) == (200, ONE)
    camera.refresh_from_db()
    assert camera.masks == ONE
    assert not CameraStill.objects.exists(), "it shows what is masked now"


def test_members_can_read_but_not_change_masks(
    camera: Camera, club: Organization, operator: User, viewer: User, outsider: User
) -> None:
    Camera.objects.filter(pk=camera.pk).update(masks=ONE)
    for user, status in ((operator, 403), (viewer, 403), (outsider, 404)):
        organization = user.memberships.get().organization
        assert patch(bearer(user, organization), camera, masks=[]).status_code == status
    camera.refresh_from_db()
    assert camera.masks == ONE
    shown = bearer(viewer, club).get(reverse("api-camera-detail", args=[camera.pk]))
    assert shown.json()["masks"] == ONE


@pytest.mark.parametrize(
    "masks",
    [
        None, "x", {}, [[]], [[[0, 0], [1, 1]]], [[[0, 0], [1, 1], [0, 1.1]]],
        [[[0, 0], [1, 1], [0, -0.1]]], [[[0, 0], [1, 1], [0]]], [[[0, 0], [1, 1], [0, 1, 0]]],
        [[[0, 0], [1, 1], [0, "nan"]]], ONE * (MASKS_MOST + 1), [ONE[0] * CORNERS_MOST],
    ],
)  # fmt: skip
def test_invalid_area_is_refused_at_the_field(
    camera: Camera, club: Organization, admin: User, masks: Any
) -> None:
    answer = patch(bearer(admin, club), camera, masks=masks)
    assert answer.status_code == 400
    assert "masks" in answer.json()["errors"]
    if masks:
        camera.masks = masks
        with pytest.raises(ValidationError):
            camera.full_clean()


@pytest.mark.parametrize("text", ["[", "[[[0,0],[1,1],[0,NaN]]]", "[" * 90_000, "1" * 9_000, "7"])
def test_form_with_invalid_masks_is_refused_and_changes_nothing(
    camera: Camera, admin: User, text: str
) -> None:
    Camera.objects.filter(pk=camera.pk).update(masks=ONE)
    address = reverse("camera-edit", args=[camera.pk])
    answer = client_of(admin).post(address, push(masks=text))
    assert answer.status_code == 200
    assert answer.context["form"].errors.keys() == {"masks"}
    camera.refresh_from_db()
    assert camera.masks == ONE


def test_page_saves_drawn_masks(camera: Camera, still: CameraStill, admin: User) -> None:
    client, address = client_of(admin), reverse("camera-edit", args=[camera.pk])
    assert 'alt="Last picture of Gate"' in client.get(address).content.decode()
    client.post(address, push(**{"initial-masks": "[]", "masks": json.dumps(ONE)}))
    camera.refresh_from_db()
    assert camera.masks == ONE
    assert not CameraStill.objects.exists()
    assert "<img" not in client.get(address).content.decode()
    client.post(address, push(**{"initial-masks": json.dumps(ONE), "masks": "[]"}))
    camera.refresh_from_db()
    assert camera.masks == []


@pytest.mark.parametrize("posted", [{}, {"initial-masks": "[]", "masks": "[]"}])
def test_page_without_drawing_removes_no_mask(
    camera: Camera, admin: User, posted: dict[str, str]
) -> None:
    """Another user drew it after this page was opened."""
    Camera.objects.filter(pk=camera.pk).update(masks=ONE)
    client_of(admin).post(reverse("camera-edit", args=[camera.pk]), push(name="Yard", **posted))
    camera.refresh_from_db()
    assert (camera.name, camera.masks) == ("Yard", ONE)


def test_admin_can_set_masks(camera: Camera, still: CameraStill) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    client, address = client_of(root), reverse("admin:cameras_camera_change", args=[camera.pk])
    assert 'name="masks"' in client.get(address).content.decode()
    posted = push(organization=camera.organization_id, masks=json.dumps(ONE))
    assert client.post(address, posted).status_code == 302
    camera.refresh_from_db()
    assert camera.masks == ONE
    assert not CameraStill.objects.exists()


def test_other_changes_keep_the_still(camera: Camera, still: CameraStill) -> None:
    camera.masks = ONE
    camera.save()
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at=timezone.now())
    camera.name = "Yard"
    camera.save()
    assert CameraStill.objects.exists()


@pytest.mark.postgres
def test_still_from_before_a_mask_change_is_not_stored(camera: Camera) -> None:
    pk = str(camera.pk)
    (fence,) = configurations.claim_fences([pk]).values()
    before = configurations.load_configurations()[pk]
    assert (before["masks"], before["mask_version"]) == ([], "")
    camera.masks = ONE
    camera.save()
    state_writer.store_still(pk, fence, 2000, b"before", before["mask_version"])
    assert not CameraStill.objects.exists()
    after = configurations.load_configurations()[pk]
    assert after["masks"] == ONE
    state_writer.store_still(pk, fence, 3000, b"after", after["mask_version"])
    state_writer.store_still(pk, fence, 4000, b"before", before["mask_version"])
    assert bytes(CameraStill.objects.get().jpeg) == b"after"


@pytest.mark.postgres
def test_concurrent_change_of_other_fields_keeps_new_masks(camera: Camera) -> None:
    """Two requests have read the camera; one masks it, the other renames it."""
    masking, renaming = (Camera.objects.get(pk=camera.pk) for _ in range(2))
    masking.masks = [[[0, 0], [1, 0], [1, 1]]]
    masking.save()
    renaming.name = "Renamed meanwhile"
    renaming.full_clean()
    renaming.save()
    assert renaming.masks == masking.masks, "as stored now, not as it was read"
    stored = Camera.objects.get(pk=camera.pk)
    assert (stored.name, stored.masks) == ("Renamed meanwhile", masking.masks)
    made = Camera.objects.create(organization=camera.organization, name="New", kind="push")
    made.name = "Named again"
    made.save()
    assert Camera.objects.get(pk=made.pk).name == "Named again"


def test_different_masks_have_different_versions() -> None:
    versions = [Camera(masks=masks).mask_version for masks in ([], ONE, OTHER, [*ONE, *OTHER])]
    assert versions[0] == ""
    assert len(set(versions)) == 4


def test_camera_page_says_that_a_part_is_masked(camera: Camera, viewer: User) -> None:
    client, address = client_of(viewer), reverse("camera", args=[camera.pk])
    assert "is masked" not in client.get(address).content.decode()
    Camera.objects.filter(pk=camera.pk).update(masks=ONE)
    assert "Part of the picture is masked." in client.get(address).content.decode()


def test_connection_test_returns_a_masked_picture(
    camera: Camera, admin: User, settings: Any
) -> None:
    """Also with masks that the form has removed, but nobody has saved; and it is logged."""
    settings.MEDIA_DIR = Path(settings.MEDIA_DIR)
    whole = [[[0, 0], [1, 0], [1, 1], [0, 1]]]
    Camera.objects.filter(pk=camera.pk).update(masks=whole)
    body = {"camera": camera.pk, "kind": "demo", "source": "", "masks": "[]"}
    answer = client_of(admin).post(reverse("camera-test"), body).json()
    assert re.fullmatch(r"Connected: 768×432\.", answer["sentence"])
    pixels = cv2.imdecode(np.frombuffer(b64decode(answer["picture"]), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (360, 640, 3)
    assert np.ptp(pixels) <= 2, "one grey"
    assert Viewing.objects.filter(action=Action.STILLS, camera_id=camera.pk).exists()
