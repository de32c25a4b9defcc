"""An installation with a scripted model, shared by the chat tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chats.talking import ChatClient, chat_installation
from tests.endpoint import Model, endpoint
from tests.installation import Installation
from tests.meter import METER
from tests.waiting import free_port


@pytest.fixture(scope="session")
def scripted() -> Iterator[Model]:
    with endpoint() as running:
        yield running


@pytest.fixture
def model(scripted: Model) -> Model:
    """The club's model, reset after earlier tests."""
    scripted.reset()
    return scripted


@pytest.fixture(scope="session")
def club(scripted: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder, port = tmp_path_factory.mktemp("club"), str(free_port())
    with chat_installation(folder, scripted, SIDELINE_METRICS=port) as installation:
        METER.share(installation.processes[0].pid, "club")
        yield installation


@pytest.fixture
def keeper(club: Installation, model: Model) -> Iterator[ChatClient]:
    with ChatClient(club) as client:
        yield client
