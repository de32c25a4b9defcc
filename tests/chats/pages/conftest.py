"""Rows that the chat pages' tests begin with: a club, two of its people, plain static names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import storage
from django.contrib.staticfiles.storage import StaticFilesStorage

from cameras.models import Organization, Role, User
from chats.models import Chat
from tests.cameras.pages.rows import person
from tests.chats.pages.rows import chat_of


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _plain_static_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are rendered without a collected manifest."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # else whitenoise warns
    monkeypatch.setattr(storage.staticfiles_storage, "_wrapped", StaticFilesStorage())


@pytest.fixture
def club() -> Organization:
    return Organization.objects.create(name="Club", slug="club", time_zone="Europe/Berlin")


@pytest.fixture
def owner(club: Organization) -> User:
    return person("owner", club, Role.VIEWER)


@pytest.fixture
def colleague(club: Organization) -> User:
    """An administrator of the same club: even for those there is no chat of somebody else."""
    return person("colleague", club, Role.ADMIN)


@pytest.fixture
def chat(club: Organization, owner: User) -> Chat:
    return chat_of(owner, club, "Power play", ("Which one?", "The **umbrella**."))
