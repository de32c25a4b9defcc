"""The camera page by keyboard. For all pages see `test_every_page.py`."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import Tab
from tests.e2e.watching import expect_badge
from tests.installation import Installation

pytestmark = pytest.mark.extended


def test_camera_page_controls_are_reached_by_tab(tab: Tab, installation: Installation) -> None:
    page = tab.page
    page.goto(installation.url)
    page.get_by_role("link", name="Plaza").first.click()
    expect_badge(page, "Live")
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Detections", "Snapshot", "Full screen"} <= reached
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
