"""The mark of a camera's masks, by whatever way they are changed: it never comes back."""

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


def by_row(camera: Camera, masks: Any) -> None:
    camera = Camera.objects.get(pk=camera.pk)
    camera.masks = masks
    camera.save(update_fields=["masks"])


def by_many_rows(camera: Camera, masks: Any) -> None:
    Camera.objects.filter(pk=camera.pk, masks=Camera.objects.get(pk=camera.pk).masks).update(
        masks=masks
    )


def by_rows_of_their_own(camera: Camera, masks: Any) -> None:
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


WAYS = (by_row, by_many_rows, by_rows_of_their_own, by_api, by_form, by_admin)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_masks_that_are_drawn_again_have_another_mark(camera: Camera, way: Way) -> None:
    marks = [camera.mark]
    for masks in ([], ONE, [], ONE):
        CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at=timezone.now())
        way(camera, masks)
        now = Camera.objects.get(pk=camera.pk)
        assert now.masks == masks
        assert not CameraStill.objects.exists(), "it shows what may be masked"
        marks.append(now.mark)
    assert len(set(marks)) == 5
    assert all(marks[1:]), "nor is one empty, as of masks that were never there"


def test_another_change_leaves_the_mark_as_it_is(camera: Camera) -> None:
    by_row(camera, [])
    renamed = Camera.objects.get(pk=camera.pk)
    before = renamed.mark
    renamed.name = "Yard"
    renamed.save()
    assert Camera.objects.get(pk=camera.pk).mark == renamed.mark == before


def test_who_read_the_row_before_others_redrew_it_counts_on_from_there(camera: Camera) -> None:
    late = Camera.objects.get(pk=camera.pk)
    by_row(camera, [])
    by_row(camera, ONE)
    late.masks = [*ONE, *ONE]
    late.save()
    assert late.mask_changes == Camera.objects.get(pk=camera.pk).mask_changes == 3


def test_who_joins_a_moment_after_masks_were_drawn_again_gets_nothing_from_in_between(
    camera: Camera,
) -> None:
    marks = MaskVersions()
    assert marks.passes(Camera.objects.get(pk=camera.pk).mark, 0.0)
    by_row(camera, [])
    between = Camera.objects.get(pk=camera.pk).mark
    assert marks.passes(between, 0.1)
    by_row(camera, ONE)
    again = Camera.objects.get(pk=camera.pk).mark
    assert not marks.expect(again, 0.2)
    assert not marks.passes(between, 0.3)
    assert marks.passes(again, 0.4)
