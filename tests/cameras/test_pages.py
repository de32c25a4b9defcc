"""The pages, through Django's client: who may open what, and what forms say."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.staticfiles import storage
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cameras.models import (
    Camera,
    CameraStill,
    Kind,
    Membership,
    Organization,
    Role,
    SignInLink,
    StreamKey,
    User,
)

pytestmark = pytest.mark.django_db
PASSWORD = "offside-trap-4-4-2"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _plain_static_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are rendered without a collected manifest."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # else whitenoise warns
    monkeypatch.setattr(storage.staticfiles_storage, "_wrapped", StaticFilesStorage())


def person(name: str, organization: Organization | None = None, role: str = "") -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    if organization:
        Membership.objects.create(user=user, organization=organization, role=role)
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def club() -> Organization:
    return Organization.objects.create(name="Club", slug="club", time_zone="Europe/Berlin")


@pytest.fixture
def camera(club: Organization) -> Camera:
    return Camera.objects.create(organization=club, name="Gate", kind=Kind.PUSH)


@pytest.fixture
def admin(club: Organization) -> User:
    return person("admin", club, Role.ADMIN)


@pytest.fixture
def operator(club: Organization) -> User:
    return person("operator", club, Role.OPERATOR)


@pytest.fixture
def viewer(club: Organization) -> User:
    return person("viewer", club, Role.VIEWER)


@pytest.fixture
def outsider() -> User:
    other = Organization.objects.create(name="Other", slug="other")
    return person("outsider", other, Role.ADMIN)


def fields(**changes: Any) -> dict[str, Any]:
    made = {
        "name": "Goal", "kind": "rtsp", "source": "rtsp://u:secret@192.0.2.7/a", "enabled": "on",
        "detect": "on", "classes": ["person"], "threshold": "0.4", "fps": "10", "quality": "80",
    }  # fmt: skip
    return made | changes


# --- who may open what


def doors(camera: Camera) -> list[tuple[str, str, str]]:
    """Method, address, and the least role that may pass."""
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
        ("post", reverse("member-add", args=[slug]), "admin"),
        ("post", reverse("member-change", args=[slug, member.pk]), "admin"),
    ]


def test_outsiders_find_nothing(camera: Camera, viewer: User, outsider: User) -> None:
    client = client_of(outsider)
    for method, address, _ in doors(camera):
        assert getattr(client, method)(address).status_code == 404, address
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at=timezone.now())
    assert client.get(reverse("camera-still", args=[camera.pk])).status_code == 404
    address = reverse("camera-delete", args=[camera.pk])
    assert client.post(address).status_code == 404


def test_members_without_the_role_are_refused(camera: Camera, viewer: User, operator: User) -> None:
    for method, address, role in doors(camera):
        if role != "viewer":
            assert getattr(client_of(viewer), method)(address).status_code == 403, address
        if role == "admin":
            assert getattr(client_of(operator), method)(address).status_code == 403, address
    assert client_of(operator).post(reverse("camera-delete", args=[camera.pk])).status_code == 403
    assert Camera.objects.filter(pk=camera.pk).exists()


def test_members_with_the_role_pass(camera: Camera, admin: User) -> None:
    for method, address, _ in doors(camera):
        answer = getattr(client_of(admin), method)(address)
        assert answer.status_code in (200, 302), address


def test_strangers_are_asked_to_sign_in(camera: Camera, admin: User) -> None:
    for method, address, _ in doors(camera):
        answer = getattr(Client(), method)(address)
        assert answer.status_code == 302, address
        assert answer["Location"].startswith(reverse("signin")), address


def test_forms_from_elsewhere_are_refused(camera: Camera, admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(reverse("camera-delete", args=[camera.pk])).status_code == 403
    assert Camera.objects.filter(pk=camera.pk).exists()


# --- the wall and a camera


def test_the_wall_shows_only_cameras_of_ones_organizations(
    camera: Camera, viewer: User, outsider: User
) -> None:
    assert "Gate" in client_of(viewer).get(reverse("wall")).content.decode()
    assert "Gate" not in client_of(outsider).get(reverse("wall")).content.decode()


def test_an_empty_wall_offers_the_form_to_administrators_only(
    club: Organization, admin: User, viewer: User
) -> None:
    form = reverse("camera-add")
    assert form in client_of(admin).get(reverse("wall")).content.decode()
    page = client_of(viewer).get(reverse("wall")).content.decode()
    assert form not in page
    assert "An administrator of Club can add them" in page


def test_the_chosen_organization_stays_in_front(camera: Camera, viewer: User) -> None:
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


def test_the_still_is_not_sent_twice(camera: Camera, viewer: User) -> None:
    client, address = client_of(viewer), reverse("camera-still", args=[camera.pk])
    assert client.get(address).status_code == 404
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8still", taken_at=timezone.now())
    answer = client.get(address)
    assert (answer["Content-Type"], answer.content) == ("image/jpeg", b"\xff\xd8still")
    assert answer["Cache-Control"] == "private, no-cache"
    again = client.get(address, headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_publishing_is_offered_to_operators_of_push_cameras(
    camera: Camera, viewer: User, operator: User
) -> None:
    address = reverse("camera", args=[camera.pk])
    assert "data-publish " in client_of(operator).get(address).content.decode()
    assert "data-publish " not in client_of(viewer).get(address).content.decode()


# --- cameras


def test_an_administrator_adds_a_camera(club: Organization, admin: User) -> None:
    answer = client_of(admin).post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get(name="Goal")
    assert answer.status_code == 302
    assert camera.organization == club
    assert camera.source == "rtsp://u:secret@192.0.2.7/a"
    assert camera.classes == ["person"]


def test_a_camera_cannot_be_put_into_an_organization_of_others(
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
        ({"name": "Gate"}, "Club already has a camera called “Gate”."),
        ({"fps": "31"}, "less than or equal to 30"),
        ({"time_zone": "Mars/Base"}, "is not a time zone"),
        ({"classes": ["unicorn"]}, "unicorn"),
    ],
)
def test_a_wrong_field_is_named_in_words(
    club: Organization, camera: Camera, admin: User, changes: dict[str, Any], sentence: str
) -> None:
    data = fields(organization=club.pk, **changes)
    answer = client_of(admin).post(reverse("camera-add"), data)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Camera.objects.filter(name="Goal").exists()


def test_a_stored_password_is_not_shown_and_is_kept(club: Organization, admin: User) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get(name="Goal")
    address = reverse("camera-edit", args=[camera.pk])
    assert "secret" not in client.get(address).content.decode()
    client.post(address, fields(name="Goal 2", source=camera.shown_source))
    camera.refresh_from_db()
    assert (camera.name, camera.source) == ("Goal 2", "rtsp://u:secret@192.0.2.7/a")


def test_a_stored_password_does_not_go_to_another_host(club: Organization, admin: User) -> None:
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


def test_a_push_camera_forgets_its_former_source(club: Organization, admin: User) -> None:
    client = client_of(admin)
    client.post(reverse("camera-add"), fields(organization=club.pk))
    camera = Camera.objects.get(name="Goal")
    data = fields(kind="push", source=camera.shown_source)
    assert client.post(reverse("camera-edit", args=[camera.pk]), data).status_code == 302
    camera.refresh_from_db()
    assert camera.source == ""


def test_a_connection_test_answers_with_a_sentence(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def probe(kind: str, source: str, **_: Any) -> SimpleNamespace:
        asked.append((kind, source))
        return SimpleNamespace(ok=True, sentence="A picture of 640 × 360 arrived.")

    monkeypatch.setattr("cameras.ingest.probe.test_connection", probe)
    body = {"kind": "rtsp", "source": "rtsp://192.0.2.7/a"}
    answer = client_of(admin).post(reverse("camera-test"), body)
    assert answer.json() == {"ok": True, "sentence": "A picture of 640 × 360 arrived."}
    assert asked == [("rtsp", "rtsp://192.0.2.7/a")]


def test_only_administrators_test_connections(
    camera: Camera, operator: User, outsider: User
) -> None:
    address = reverse("camera-test")
    assert client_of(operator).post(address, {"kind": "rtsp"}).status_code == 403
    for pk in (camera.pk, uuid.uuid4(), "nonsense"):
        assert client_of(outsider).post(address, {"camera": pk}).status_code == 404


def test_a_camera_is_removed_only_after_the_question(camera: Camera, admin: User) -> None:
    client, address = client_of(admin), reverse("camera-delete", args=[camera.pk])
    assert "cannot be undone" in client.get(address).content.decode()
    assert Camera.objects.filter(pk=camera.pk).exists()
    client.post(address)
    assert not Camera.objects.filter(pk=camera.pk).exists()


# --- stream keys


def test_a_stream_key_is_shown_once(camera: Camera, operator: User) -> None:
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


def test_a_revoked_stream_key_opens_nothing(camera: Camera, operator: User) -> None:
    key = StreamKey(camera=camera, name="TV")
    key.issue()
    client_of(operator).post(reverse("streamkey-revoke", args=[camera.pk, key.pk]))
    key.refresh_from_db()
    assert not key.is_alive


# --- organizations and people


def test_settings_are_validated_in_words(club: Organization, admin: User) -> None:
    client, address = client_of(admin), reverse("organization", args=["club"])
    bad = {"name": "Club", "time_zone": "UTC", "host": "http://x/"}
    assert "must be a bare host" in client.post(address, bad).content.decode()
    good = {"name": "New club", "time_zone": "Asia/Tokyo", "host": "cameras.example.org"}
    assert client.post(address, good).status_code == 302
    club.refresh_from_db()
    assert (club.name, club.time_zone) == ("New club", "Asia/Tokyo")
    assert club.metadata == {"serverHostURL": "cameras.example.org"}


def test_a_new_person_gets_a_link_that_is_shown_once(club: Organization, admin: User) -> None:
    client = client_of(admin)
    address = reverse("member-add", args=["club"])
    page = client.post(address, {"username": "fresh", "role": "viewer"}).content.decode()
    found = re.search(r"http://testserver(/signin/[\w-]+)", page)
    assert found
    assert not User.objects.get(username="fresh").has_usable_password()
    assert found[1] not in client.get(reverse("organization", args=["club"])).content.decode()
    newcomer = Client()
    assert "Sign in as fresh" in newcomer.get(found[1]).content.decode()
    assert newcomer.post(found[1]).status_code == 302
    assert get_user(newcomer).get_username() == "fresh"  # type: ignore[arg-type]
    assert Client().post(found[1]).status_code == 410


def test_nobody_gets_a_link_for_an_account_that_exists(
    club: Organization, admin: User, outsider: User
) -> None:
    address = reverse("member-add", args=["club"])
    answer = client_of(admin).post(address, {"username": "outsider", "role": "viewer"})
    assert answer.status_code == 302
    assert not SignInLink.objects.exists()
    assert Membership.objects.filter(user=outsider, organization=club).exists()


def test_the_last_administrator_stays(club: Organization, admin: User, viewer: User) -> None:
    client = client_of(admin)
    mine = Membership.objects.get(user=admin)
    client.post(reverse("member-change", args=["club", mine.pk]), {"role": "viewer"})
    client.post(reverse("member-remove", args=["club", mine.pk]))
    mine.refresh_from_db()
    assert mine.role == Role.ADMIN
    other = Membership.objects.get(user=viewer)
    client.post(reverse("member-change", args=["club", other.pk]), {"role": "admin"})
    client.post(reverse("member-remove", args=["club", mine.pk]))
    assert not Membership.objects.filter(pk=mine.pk).exists()


def test_members_of_other_organizations_cannot_be_reached_through_ones_own(
    club: Organization, admin: User, outsider: User
) -> None:
    theirs = Membership.objects.get(user=outsider)
    address = reverse("member-remove", args=["club", theirs.pk])
    assert client_of(admin).post(address).status_code == 404
    assert Membership.objects.filter(pk=theirs.pk).exists()


# --- signing in


def test_signing_in_and_out(viewer: User) -> None:
    client = Client()
    answer = client.post(reverse("signin"), {"username": "viewer", "password": PASSWORD})
    assert answer["Location"] == reverse("wall")
    assert client.get(reverse("signout")).status_code == 405
    client.post(reverse("signout"))
    assert client.get(reverse("wall")).status_code == 302


def test_a_wrong_password_is_said_without_saying_which(viewer: User) -> None:
    answer = Client().post(reverse("signin"), {"username": "viewer", "password": "wrong"})
    assert "The username or the password is not right" in answer.content.decode()


def test_too_many_wrong_passwords_lock_for_a_while(viewer: User) -> None:
    client = Client()
    for _ in range(9):
        answer = client.post(reverse("signin"), {"username": "viewer", "password": "wrong"})
    assert answer.status_code == 429
    assert answer["Retry-After"] == "600"
    assert "Try again in 10 minutes" in answer.content.decode()


def test_opening_a_link_does_not_use_it_up(viewer: User) -> None:
    address = reverse("signin-link", args=[SignInLink.issue(viewer)])
    for _ in range(2):
        assert "Sign in as viewer" in Client().get(address).content.decode()
    assert Client().post(address)["Location"] == reverse("wall")
    page = Client().get(address)
    assert page.status_code == 410
    assert "manage.py signinlink" in page.content.decode()


def test_a_first_password_keeps_the_session(club: Organization) -> None:
    user = User.objects.create_user("fresh")
    client = client_of(user)
    assert "You have no password yet" in client.get(reverse("wall")).content.decode()
    new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert client.post(reverse("password"), new).status_code == 302
    page = client.get(reverse("wall"))
    assert page.status_code == 200
    assert "You have no password yet" not in page.content.decode()


def test_changing_a_password_needs_the_present_one(viewer: User) -> None:
    new = {
        "old_password": "wrong",
        "new_password1": "hat-trick-77",
        "new_password2": "hat-trick-77",
    }
    answer = client_of(viewer).post(reverse("password"), new)
    assert "That is not the present password" in answer.content.decode()


# --- the admin


@pytest.fixture
def staff(club: Organization) -> Client:
    return client_of(User.objects.create_superuser("root", password=PASSWORD))


def test_the_admin_masks_sources_and_serves_thumbnails(
    club: Organization, staff: Client, viewer: User
) -> None:
    camera = Camera(organization=club, name="Goal", kind=Kind.RTSP)
    camera.source = "rtsp://u:secret@192.0.2.7/a"
    camera.save()
    CameraStill.objects.create(camera=camera, jpeg=b"\xff\xd8", taken_at=timezone.now())
    listing = staff.get(reverse("admin:cameras_camera_changelist")).content.decode()
    change = staff.get(reverse("admin:cameras_camera_change", args=[camera.pk])).content.decode()
    assert "192.0.2.7" in listing
    assert "192.0.2.7" in change
    assert "secret@" not in listing + change
    thumbnail = reverse("admin:cameras_camera_thumbnail", args=[camera.pk])
    assert thumbnail in listing
    assert staff.get(thumbnail)["Content-Type"] == "image/jpeg"
    assert client_of(viewer).get(thumbnail).status_code == 302


def test_admin_lists_do_not_query_per_row(
    club: Organization, staff: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        camera = Camera.objects.create(organization=club, name=f"C{number}", kind=Kind.PUSH)
        StreamKey(camera=camera, name="TV").issue()
    for model in ("camera", "organization", "streamkey", "token", "user"):
        with django_assert_max_num_queries(12):
            assert staff.get(reverse(f"admin:cameras_{model}_changelist")).status_code == 200


def test_admin_actions_switch_and_revoke(camera: Camera, staff: Client) -> None:
    listing = reverse("admin:cameras_camera_changelist")
    staff.post(listing, {"action": "disable", "_selected_action": [camera.pk]})
    camera.refresh_from_db()
    assert not camera.enabled
    key = StreamKey(camera=camera, name="TV")
    key.issue()
    listing = reverse("admin:cameras_streamkey_changelist")
    assert key.digest not in staff.get(listing).content.decode()
    staff.post(listing, {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert not key.is_alive
