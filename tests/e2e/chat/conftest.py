"""A club with a scripted model and its keeper's browser, shared by all chat tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.chats.talking import chat_installation
from tests.e2e.chatting import Person, person
from tests.endpoint import Model, endpoint
from tests.installation import Installation
from tests.meter import METER


@pytest.fixture(scope="package")
def scripted() -> Iterator[Model]:
    with endpoint() as running:
        yield running


@pytest.fixture(scope="package")
def club(scripted: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with chat_installation(tmp_path_factory.mktemp("club"), scripted) as installation:
        METER.share(installation.processes[0].pid, "club of tests/e2e/chat")
        yield installation


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser, shared by all chat tests."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="package")
def session(browser: Browser, club: Installation, scripted: Model) -> Any:
    """The keeper's cookies."""
    with person(browser, club, scripted) as somebody:
        return somebody.tab.context.storage_state()


@pytest.fixture
def model(scripted: Model) -> Model:
    scripted.reset()
    return scripted


@pytest.fixture
def keeper(browser: Browser, club: Installation, model: Model, session: Any) -> Iterator[Person]:
    with person(browser, club, model, session) as somebody:
        yield somebody
