"""A user who is signed in to the shared installation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import Tab, new_page
from tests.e2e.watching import WIDE, sign_in
from tests.installation import Installation


@pytest.fixture(scope="module")
def session(browser: Browser, installation: Installation) -> Any:
    """The cookies of a signed-in user."""
    with new_page(browser) as opened:
        sign_in(opened.page, installation)
        return opened.context.storage_state()


@pytest.fixture
def tab(browser: Browser, session: Any) -> Iterator[Tab]:
    """An empty tab of the signed-in user."""
    with new_page(browser, viewport=WIDE, storage_state=session) as opened:
        yield opened
