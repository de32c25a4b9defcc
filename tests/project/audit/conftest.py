"""Fixtures of the camera pages' tests, and a superuser."""

from __future__ import annotations

import pytest
from django.test import Client

from project.accounts.models import User
from tests.cameras.views.conftest import (  # noqa: F401 - fixtures
    _fast_password_hasher,
    _plain_static_names,
    admin,
    camera,
    club,
    operator,
    outsider,
    viewer,
)
from tests.cameras.views.rows import PASSWORD, client_of


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def staff(root: User) -> Client:
    return client_of(root)
