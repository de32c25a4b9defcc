"""One club with a scripted model, and its keeper in front of it, for all tests of the chat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.chats.talking import talking
from tests.e2e.chatting import Person, person
from tests.endpoint import Model, endpoint
from tests.installation import Installation


@pytest.fixture(scope="package")
def scripted() -> Iterator[Model]:
    with endpoint() as running:
        yield running


@pytest.fixture(scope="package")
def club(scripted: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with talking(tmp_path_factory.mktemp("club"), scripted) as house:
        yield house


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One for all of them."""
    with chromium() as found:
        yield found


@pytest.fixture
def model(scripted: Model) -> Model:
    scripted.renew()
    return scripted


@pytest.fixture
def keeper(browser: Browser, club: Installation, model: Model) -> Iterator[Person]:
    with person(browser, club, model) as somebody:
        yield somebody
