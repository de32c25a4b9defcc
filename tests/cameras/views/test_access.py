"""Which role may open which page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.models import Camera, CameraStill, StreamKey
from project.accounts.models import Membership, User
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db


def routes(camera: Camera) -> list[tuple[str, str, str]]:
    """Return `(method, URL, lowest role that is allowed)` of each route."""
    slug, pk = camera.organization.slug, camera.pk
    key = StreamKey(camera=camera, name="TV")
    key.issue()
    member = Membership.objects.filter(organization=camera.organization).first()
    assert member is not None
    return [
        ("get", reverse("camera", args=[pk]), "viewer"),
        ("get", reverse("camera-edit", args=[pk]), "admin"),
        ("post", reverse("camera-edit", args=[pk]), "admin"),
        ("get", reverse("camera-delete", args=[pk]), "admin"),
        ("post", reverse("streamkey-add", args=[pk]), "operator"),
        ("post", reverse("streamkey-revoke", args=[pk, key.pk]), "operator"),
        ("get", reverse("organization", args=[slug]), "admin"),
        ("post", reverse("invitation-add", args=[slug]), "admin"),
        ("post", reverse("member-change", args=[slug, member.pk]), "admin"),
    ]


@pytest.mark.postgres
def test_outsiders_get_404(camera: Camera, viewer: User, outsider: User) -> None:
    client = client_of(outsider)
    for method, address, _ in routes(camera):
        assert getattr(client, method)(address).status_code == 404, address
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at=timezone.now())
    assert client.get(reverse("camera-still", args=[camera.pk])).status_code == 404
    address = reverse("camera-delete", args=[camera.pk])
    assert client.post(address).status_code == 404


def test_members_without_the_role_get_403(camera: Camera, viewer: User, operator: User) -> None:
    for method, address, role in routes(camera):
        if role != "viewer":
            assert getattr(client_of(viewer), method)(address).status_code == 403, address
        if role == "admin":
            assert getattr(client_of(operator), method)(address).status_code == 403, address
    assert client_of(operator).post(reverse("camera-delete", args=[camera.pk])).status_code == 403
    assert Camera.objects.filter(pk=camera.pk).exists()


def test_members_with_the_role_are_allowed(camera: Camera, admin: User) -> None:
    for method, address, _ in routes(camera):
        answer = getattr(client_of(admin), method)(address)
        assert answer.status_code in (200, 302), address


def test_anonymous_users_are_redirected_to_sign_in(camera: Camera, admin: User) -> None:
    for method, address, _ in routes(camera):
        answer = getattr(Client(), method)(address)
        assert answer.status_code == 302, address
        assert answer["Location"].startswith(reverse("signin")), address


def test_forms_without_a_csrf_token_are_refused(camera: Camera, admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(reverse("camera-delete", args=[camera.pk])).status_code == 403
    assert Camera.objects.filter(pk=camera.pk).exists()
