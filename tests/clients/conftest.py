"""An installation with one camera and a scripted model, for the clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chats.talking import chat_installation
from tests.endpoint import Model, endpoint
from tests.installation import Installation
from tests.prepared import KEEPER

WHO = (KEEPER["username"], KEEPER["password"])


@pytest.fixture(scope="session")
def model() -> Iterator[Model]:
    with endpoint() as running:
        yield running


@pytest.fixture(scope="session")
def club(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with chat_installation(tmp_path_factory.mktemp("clients"), model) as installation:
        installation.add_camera(name="Court", kind="demo")
        yield installation
