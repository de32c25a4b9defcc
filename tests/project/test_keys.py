"""What a new key ends and what it leaves, as `docs/operations.md` says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from cameras.models import Camera, Kind, ShareLink, StreamKey
from chats.models import Assistant
from project.accounts.models import Membership, Organization, Role, SecondFactor, Token, User
from project.encryption import reseal, unseal
from project.management.commands import resealsources
from project.management.commands.resealsources import sealed_fields
from tests import ROOT

pytestmark = pytest.mark.django_db

OLD, NEW = "the-old-field-key", "the-new-field-key"
SOURCE = "rtsp://viewer:secret@192.168.1.20/stream1"


@pytest.fixture
def club() -> Organization:
    return Organization.objects.create(name="Club", slug="club")


@pytest.fixture
def person(club: Organization) -> User:
    user = User.objects.create_user("person", password="a-long-test-password")
    Membership.objects.create(user=user, organization=club, role=Role.ADMIN)
    return user


@pytest.fixture
def sealed(club: Organization, person: User, settings: Settings) -> dict[str, str]:
    """One row for each place where something is sealed with the old key: the place, and what."""
    settings.FIELD_KEYS = [OLD]
    camera = Camera(organization=club, name="Gate", kind=Kind.RTSP)
    camera.source = SOURCE
    camera.save()
    assistant = Assistant(organization=club, base_url="https://models.example.org/v1", model="m")
    assistant.key = "sk-of-a-vendor"
    assistant.save()
    SecondFactor.turn_on(person, "GEZDGNBVGY3TQOJQ", 0)
    return {
        "Camera.sealed_source": SOURCE,
        "Assistant.sealed_key": "sk-of-a-vendor",
        "SecondFactor.sealed_secret": "GEZDGNBVGY3TQOJQ",
    }


def opened() -> dict[str, str]:
    """What is sealed, by its place."""
    return {
        f"{model.__name__}.{name}": unseal(getattr(row, name))
        for model, name in sealed_fields()
        for row in model._base_manager.exclude(**{name: ""})
    }


@pytest.mark.postgres
def test_everything_sealed_is_resealed_as_the_readme_says(
    sealed: dict[str, str], settings: Settings, capsys: Any
) -> None:
    (command,) = re.findall(r"manage\.py (reseal\w+)", (ROOT / "README.md").read_text())
    assert {f"{model.__name__}.{name}" for model, name in sealed_fields()} == sealed.keys(), (
        "a new place: give it a row above"
    )
    settings.FIELD_KEYS = [NEW, OLD]
    call_command(command)
    settings.FIELD_KEYS = [NEW]
    assert opened() == sealed
    call_command(command, "--check")
    assert "that can be read: 3" in capsys.readouterr().out


def test_what_no_key_opens_is_named_and_the_rest_is_done(
    sealed: dict[str, str], settings: Settings
) -> None:
    settings.FIELD_KEYS = [NEW]
    camera = Camera.objects.create(organization=Organization.objects.get(), name="Yard")
    camera.source = SOURCE
    camera.save()
    for options in ([], ["--check"]):
        with pytest.raises(CommandError, match=r"second factor “.*person”.*camera “Gate”"):
            call_command("resealsources", *options)
    assert Camera.objects.get(pk=camera.pk).source == SOURCE


@pytest.mark.postgres
def test_what_is_saved_meanwhile_is_not_undone(
    sealed: dict[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_KEYS = [NEW, OLD]

    def slow(old: str) -> str:
        camera = Camera.objects.get()
        if camera.sealed_source == old:
            camera.source = "rtsp://192.168.1.21/other"
            camera.save()
        return reseal(old)

    monkeypatch.setattr(resealsources, "reseal", slow)
    call_command("resealsources")
    assert Camera.objects.get().source == "rtsp://192.168.1.21/other"


def test_a_new_secret_key_signs_everybody_out_and_ends_share_links(
    club: Organization, person: User, settings: Settings
) -> None:
    settings.STATIC_ROOT.mkdir(exist_ok=True)  # else whitenoise warns
    camera = Camera.objects.create(organization=club, name="Plaza", kind=Kind.DEMO)
    key = StreamKey(camera=camera, name="key")
    key.issue()
    link = ShareLink.objects.create(camera=camera, name="link")
    text = link.text
    _, token = Token.objects.create(user=person, organization=club, scopes=["read"])
    browser = Client()
    browser.force_login(person)
    assert browser.get("/api/v1/cameras").status_code == 200
    assert ShareLink.behind(text) == link

    settings.SECRET_KEY = "another-key-of-more-than-32-characters"
    assert browser.get("/api/v1/cameras").status_code == 401
    assert ShareLink.behind(text) is None
    assert ShareLink.behind(link.text) == link, "its page shows a new address"
    assert StreamKey.objects.alive().exists()
    bearer = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/cameras", headers=bearer).status_code == 200
    assert person.check_password("a-long-test-password")
