"""Fixtures of the admin tests: a club, its users, chats and an assistant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from chats.models import Assistant, Chat, Generation, GenerationEvent, Message, Role
from chats.sse.encoding import chunk_json
from project.accounts.models import Organization, User
from tests.cameras.views.conftest import (  # noqa: F401 - fixtures
    _fast_password_hasher,
    _plain_static_names,
    admin,
    club,
    operator,
    outsider,
    viewer,
)
from tests.cameras.views.rows import PASSWORD, client_of
from tests.chats.admin.form import ELSEWHERE, KEY
from tests.endpoint import Model, endpoint


@pytest.fixture
def staff() -> Client:
    return client_of(User.objects.create_superuser("root", password=PASSWORD))


@pytest.fixture
def model(settings: Any) -> Iterator[Model]:
    """A scripted endpoint that this process may dial."""
    with endpoint() as running:
        settings.MODEL_SERVERS = running.listed
        yield running


@pytest.fixture
def stored(club: Organization) -> Assistant:  # noqa: F811 - the fixture
    """Settings with an address and a key."""
    assistant = Assistant(organization=club, base_url=ELSEWHERE, model="large")
    assistant.key = KEY
    assistant.save()
    return assistant


def chat_of(owner: User, organization: Organization, title: str = "Set pieces") -> Chat:
    """Create a chat with a prompt, its answer and the answer's log."""
    chat = Chat.objects.create(owner=owner, organization=organization, title=title)
    prompt = Message.objects.create(chat=chat, role=Role.USER, content="How were the *corners*?")
    answer = Message.objects.create(
        chat=chat, parent=prompt, role=Role.ASSISTANT, content="**Short** ones <b>won</b>."
    )
    generation = Generation.objects.create(
        message=answer, chat=chat, user=owner, organization=organization, status="complete",
        process="p", day="2026-03-01",
    )  # fmt: skip
    GenerationEvent.objects.write([(generation.pk, 1, [chunk_json("**Short**")])])
    chat.select_branch(answer)
    return chat
