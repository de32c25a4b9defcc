"""A club that talks to a scripted model, for the tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chats.talking import Talker, talking
from tests.endpoint import Model, endpoint
from tests.installation import Installation
from tests.meter import METER


@pytest.fixture(scope="session")
def scripted() -> Iterator[Model]:
    with endpoint() as running:
        yield running


@pytest.fixture
def model(scripted: Model) -> Model:
    """The club's model, with nothing left of other tests."""
    scripted.renew()
    return scripted


@pytest.fixture(scope="session")
def club(scripted: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with talking(tmp_path_factory.mktemp("club"), scripted) as installation:
        METER.share(installation.processes[0].pid, "club")
        yield installation


@pytest.fixture
def keeper(club: Installation, model: Model) -> Iterator[Talker]:
    with Talker(club) as talker:
        yield talker
