"""Fixtures of the page tests: a club, a user for each role, an outsider, plain static names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import storage
from django.contrib.staticfiles.storage import StaticFilesStorage

from cameras.models import Camera, Kind
from project.accounts.models import Organization, Role, User
from tests.cameras.views.rows import person


@pytest.fixture(autouse=True)
def _fast_password_hasher(settings: Any) -> None:
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
