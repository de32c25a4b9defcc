"""The wall, a camera's page, its still picture and its stream keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.models import Camera, CameraState, CameraStill, StreamKey
from project.accounts.models import Membership, Organization, Role, User
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


@pytest.mark.postgres
def test_wall_shows_only_cameras_of_the_users_organizations(
    camera: Camera, viewer: User, outsider: User
) -> None:
    assert "Gate" in client_of(viewer).get(reverse("wall")).content.decode()
    assert "Gate" not in client_of(outsider).get(reverse("wall")).content.decode()


def test_empty_wall_offers_the_form_only_to_administrators(
    club: Organization, admin: User, viewer: User
) -> None:
    form = reverse("camera-add")
    assert form in client_of(admin).get(reverse("wall")).content.decode()
    page = client_of(viewer).get(reverse("wall")).content.decode()
    assert form not in page
    assert "An administrator of Club can add them" in page


@pytest.mark.postgres
def test_chosen_organization_is_remembered(camera: Camera, viewer: User) -> None:
    second = Organization.objects.create(name="Second", slug="second")
    Membership.objects.create(user=viewer, organization=second, role=Role.VIEWER)
    client = client_of(viewer)
    assert "Gate" in client.get(reverse("wall")).content.decode()
    client.post(reverse("organization-choose"), {"organization": "second"})
    assert "Gate" not in client.get(reverse("wall")).content.decode()
    client.post(reverse("organization-choose"), {"organization": "other"})
    assert "Gate" in client.get(reverse("wall")).content.decode()


def test_pages_hold_no_inline_script_or_style(camera: Camera, admin: User) -> None:
    client = client_of(admin)
    for name, args in (("wall", []), ("camera", [camera.pk]), ("camera-edit", [camera.pk])):
        page = client.get(reverse(name, args=args)).content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page), name


def test_still_is_not_stored_by_the_browser(camera: Camera, viewer: User) -> None:
    client, address = client_of(viewer), reverse("camera-still", args=[camera.pk])
    assert client.get(address).status_code == 404
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8still", taken_at=timezone.now())
    answer = client.get(address)
    assert (answer["Content-Type"], answer.content) == ("image/jpeg", b"\xff\xd8still")
    assert answer["Cache-Control"] == "private, no-store"


def test_publishing_is_offered_to_operators_of_push_cameras(
    camera: Camera, viewer: User, operator: User
) -> None:
    address = reverse("camera", args=[camera.pk])
    assert "data-publish " in client_of(operator).get(address).content.decode()
    assert "data-publish " not in client_of(viewer).get(address).content.decode()


@pytest.mark.postgres
def test_stream_key_is_shown_once(camera: Camera, operator: User) -> None:
    client = client_of(operator)
    page = client.post(
        reverse("streamkey-add", args=[camera.pk]), {"name": "TV", "days": "7"}
    ).content.decode()
    found = re.search(r"ws://testserver[^\"]*/ws/stream/(sk_[\w-]+)", page)
    assert found
    key = StreamKey.objects.get()
    assert key.is_alive
    assert (key.expires_at - timezone.now()).days in (6, 7)
    assert key.created_by == operator
    assert found[1] not in client.get(reverse("camera", args=[camera.pk])).content.decode()


def find_open_dialogs(page: str) -> list[str]:
    """Return the ids of the dialogs that a browser without scripts shows."""
    return re.findall(r'<dialog [^>]*id="([\w-]+)"[^>]*\sopen>', page)


def test_stream_keys_are_a_dialog_that_works_without_scripts(
    camera: Camera, operator: User, viewer: User
) -> None:
    client, address = client_of(operator), reverse("camera", args=[camera.pk])
    page = client.get(address).content.decode()
    assert find_open_dialogs(page) == []
    assert 'href="#stream-keys"' in page
    assert f'href="{address}" data-close' in page
    add = reverse("streamkey-add", args=[camera.pk])
    refused = client.post(add, {"name": "", "days": "7"}).content.decode()
    assert find_open_dialogs(refused) == ["stream-keys"]
    assert "This field is required." in refused
    made = client.post(add, {"name": "TV", "days": "7"}).content.decode()
    assert find_open_dialogs(made) == ["stream-keys"]
    assert re.search(r'id="stream-keys".*class="secret" tabindex="-1" autofocus', made, re.DOTALL)
    assert "stream-keys" not in client_of(viewer).get(address).content.decode()


def test_new_stream_key_is_shown_in_addresses_that_work(camera: Camera, operator: User) -> None:
    Camera.objects.filter(pk=camera.pk).update(enabled=False)
    camera.organization.metadata = {"serverHostURL": "cameras.example.org"}
    camera.organization.save()
    form = {"name": "TV", "days": "7"}
    page = client_of(operator).post(
        reverse("streamkey-add", args=[camera.pk]), form, headers={"Host": "testserver:7103"}
    )
    text = page.content.decode()
    shown = re.findall(r'id="(new-\w+)"[^>]* value="(\w+)://([^/]+)(/[^"]*)"', text)
    assert [(name, scheme, host) for name, scheme, host, _ in shown] == [
        ("new-websocket", "ws", "cameras.example.org:7103"),
        ("new-snapshot", "http", "cameras.example.org:7103"),
        ("new-mjpeg", "http", "cameras.example.org:7103"),
    ]
    for name, _, _, path in shown:
        assert f'data-copy="{name}"' in text
        if name != "new-websocket":  # 503: the camera is switched off; 401 without access
            answer = Client().head(path)
            assert answer.status_code in (200, 503)


def test_operator_can_revoke_a_stream_key(camera: Camera, operator: User) -> None:
    key = StreamKey(camera=camera, name="TV")
    key.issue()
    client_of(operator).post(reverse("streamkey-revoke", args=[camera.pk, key.pk]))
    key.refresh_from_db()
    assert not key.is_alive


def test_stream_key_expiry_is_shown_in_the_cameras_time_zone(
    camera: Camera, operator: User
) -> None:
    key = StreamKey(camera=camera, name="TV", expires_at=datetime(2199, 6, 1, 22, 30, tzinfo=UTC))
    key.issue()
    page = client_of(operator).get(reverse("camera", args=[camera.pk])).content.decode()
    assert 'title="2 Jun 2199, 00:30, Europe/Berlin">2 Jun 2199<' in page


@pytest.mark.parametrize(
    ("state", "reason"), [("connecting", ""), ("offline", "Connecting."), ("live", "")]
)
def test_page_starts_as_connecting(camera: Camera, viewer: User, state: str, reason: str) -> None:
    CameraState.objects.create(camera=camera, state=state, reason=reason)
    for address in (reverse("wall"), reverse("camera", args=[camera.pk])):
        page = client_of(viewer).get(address).content.decode()
        assert "data-badge-text>Connecting<" in page
        assert "data-note><" in page
        assert "Offline" not in page


def test_push_camera_without_a_picture_is_waiting(club: Organization, operator: User) -> None:
    camera = Camera.objects.create(organization=club, name="Phone", kind="push")
    why = "Waiting for the first frame."
    CameraState.objects.create(camera=camera, state="offline", reason=why)
    for address in (reverse("wall"), reverse("camera", args=[camera.pk])):
        page = client_of(operator).get(address).content.decode()
        assert "data-badge-text>Waiting for its first picture<" in page
        assert 'data-state="waiting"' in page
        assert 'data-mark="waiting"' in page
        assert "data-note><" in page
        assert "Offline" not in page
    assert "data-publish-here" in page


def test_failing_camera_shows_the_reason(camera: Camera, viewer: User) -> None:
    why = "The camera ended the stream; connecting again."
    CameraState.objects.create(camera=camera, state="offline", reason=why)
    page = client_of(viewer).get(reverse("wall")).content.decode()
    assert "data-badge-text>Offline<" in page
    assert f"data-note>{why}<" in page


def test_camera_without_a_picture_says_so(camera: Camera, viewer: User) -> None:
    client = client_of(viewer)
    for address in (reverse("wall"), reverse("camera", args=[camera.pk])):
        assert "No picture yet" in client.get(address).content.decode()
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8still", taken_at=timezone.now())
    for address in (reverse("wall"), reverse("camera", args=[camera.pk])):
        assert "No picture yet" not in client.get(address).content.decode()


def test_wall_names_the_organization_of_its_list(camera: Camera, viewer: User) -> None:
    client, attribute = client_of(viewer), f'data-roster="{reverse("api-cameras")}"'
    page = client.get(reverse("wall")).content.decode()
    assert f'{attribute} data-organization=""' in page
    assert '<p class="wall-name" aria-hidden="true">Club</p>' in page
    second = Organization.objects.create(name="Second", slug="second")
    Membership.objects.create(user=viewer, organization=second, role=Role.VIEWER)
    client.post(reverse("organization-choose"), {"organization": "second"})
    page = client.get(reverse("wall")).content.decode()
    assert f'{attribute} data-organization="{second.pk}"' in page
    assert "wall-name" not in page
