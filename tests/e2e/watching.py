"""A person at the pages of the cameras, in a real Chromium."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.installation import KEEPER, Installation

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}


def sign_in(page: Page, house: Installation) -> None:
    page.goto(house.url)
    page.get_by_label("Username").fill(KEEPER["username"])
    page.get_by_label("Password").fill(KEEPER["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(house.url + "/")


def says(page: Page, words: str, seconds: float = 60) -> None:
    """The badge says `words`; within so many seconds, where that is a promise."""
    expect(page.locator("[data-badge-text]").first).to_contain_text(words, timeout=seconds * 1000)
