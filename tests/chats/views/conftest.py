"""Fixtures of the chat pages: a club, two of its users, one chat."""

from __future__ import annotations

import pytest

from chats.models import Chat
from project.accounts.models import Organization, Role, User
from tests.cameras.views.conftest import (  # noqa: F401 - fixtures
    _fast_password_hasher,
    _plain_static_names,
)
from tests.cameras.views.rows import person
from tests.chats.views.rows import chat_of


@pytest.fixture
def club() -> Organization:
    return Organization.objects.create(name="Club", slug="club", time_zone="Europe/Berlin")


@pytest.fixture
def owner(club: Organization) -> User:
    return person("owner", club, Role.VIEWER)


@pytest.fixture
def colleague(club: Organization) -> User:
    """An administrator of the same club, who cannot see chats of others either."""
    return person("colleague", club, Role.ADMIN)


@pytest.fixture
def chat(club: Organization, owner: User) -> Chat:
    return chat_of(owner, club, "Power play", ("Which one?", "The **umbrella**."))
