"""The camera page is used by keyboard. All pages: `test_every_page.py`."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import Tab
from tests.e2e.watching import says
from tests.installation import Installation

pytestmark = pytest.mark.extended


def test_every_control_of_the_camera_page_is_reached_by_tab(
    tab: Tab, installation: Installation
) -> None:
    page = tab.page
    page.goto(installation.url)
    page.get_by_role("link", name="Plaza").first.click()
    says(page, "Live")
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Detections", "Snapshot", "Full screen"} <= reached
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
