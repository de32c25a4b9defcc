"""The effects of new keys, as `docs/operations.md` describes them."""

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
    """Create a row for each encrypted field, with the old key; return field → plain text."""
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


def decrypted() -> dict[str, str]:
    """Return the decrypted values by field."""
    return {
        f"{model.__name__}.{name}": unseal(getattr(row, name))
        for model, name in sealed_fields()
        for row in model._base_manager.exclude(**{name: ""})
    }


@pytest.mark.postgres
def test_all_encrypted_fields_are_resealed_as_documented(
    sealed: dict[str, str], settings: Settings, capsys: Any
) -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    (command,) = set(re.findall(r"`sideline (reseal\w+)`", operations))
    assert {f"{model.__name__}.{name}" for model, name in sealed_fields()} == sealed.keys(), (
        "a new encrypted field: add it to the fixture above"
    )
    settings.FIELD_KEYS = [NEW, OLD]
    call_command(command)
    settings.FIELD_KEYS = [NEW]
    assert decrypted() == sealed
    call_command(command, "--check")
    assert "that can be read: 3" in capsys.readouterr().out


def test_undecryptable_rows_are_named_and_the_others_resealed(
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
def test_concurrent_change_is_not_overwritten(
    sealed: dict[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_KEYS = [NEW, OLD]

    def reseal_after_a_change(old: str) -> str:
        camera = Camera.objects.get()
        if camera.sealed_source == old:
            camera.source = "rtsp://192.168.1.21/other"
            camera.save()
        return reseal(old)

    monkeypatch.setattr(resealsources, "reseal", reseal_after_a_change)
    call_command("resealsources")
    assert Camera.objects.get().source == "rtsp://192.168.1.21/other"


def test_new_secret_key_ends_sessions_and_share_links(
    club: Organization, person: User, settings: Settings
) -> None:
    settings.STATIC_ROOT.mkdir(exist_ok=True)  # otherwise WhiteNoise warns
    camera = Camera.objects.create(organization=club, name="Plaza", kind=Kind.DEMO)
    key = StreamKey(camera=camera, name="key")
    key.issue()
    link = ShareLink.objects.create(camera=camera, name="link")
    text = link.text
    _, token = Token.objects.create(user=person, organization=club, scopes=["read"])
    browser = Client()
    browser.force_login(person)
    assert browser.get("/api/v1/cameras").status_code == 200
    assert ShareLink.find(text) == link

    settings.SECRET_KEY = "another-key-of-more-than-32-characters"
    assert browser.get("/api/v1/cameras").status_code == 401
    assert ShareLink.find(text) is None
    assert ShareLink.find(link.text) == link, "its page shows a new link"
    assert StreamKey.objects.alive().exists()
    bearer = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/cameras", headers=bearer).status_code == 200
    assert person.check_password("a-long-test-password")
