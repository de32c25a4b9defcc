"""A person at the pages, in a real Chromium, and what a page is asked for."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.installation import KEEPER, Installation

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
# Before a page's own scripts: keeps what they did that no words of people may make them do.
WATCH = """
window.happened = [];
for (const name of ["alert", "confirm", "prompt", "open"])
    window[name] = () => { window.happened.push(name); };
document.addEventListener("securitypolicyviolation",
    (event) => window.happened.push(event.violatedDirective + " " + event.blockedURI));
"""
# True where the page does not scroll sideways.
FITS = "document.documentElement.scrollWidth <= innerWidth"
# Visible controls that have no name.
NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
    .filter((one) => one.type !== "hidden" && one.checkVisibility() && one.ariaHidden !== "true")
    .filter((one) => !(one.innerText?.trim() || one.getAttribute("aria-label")
        || one.labels?.length || one.title))
    .map((one) => one.outerHTML)"""
# True where the picture is no empty canvas.
DRAWN = """() => {
  const canvas = document.querySelector("canvas");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(data).size > 50;
}"""


def promised(seconds: int) -> pytest.MarkDecorator:
    """Run the test twice: as behaviour with a generous `within`, and with that of a promise."""
    return pytest.mark.parametrize(
        "within",
        [
            pytest.param(60, id="some time", marks=pytest.mark.extended),
            pytest.param(seconds, id=f"{seconds} s", marks=pytest.mark.timing),
        ],
    )


def sign_in(page: Page, installation: Installation) -> None:
    page.goto(installation.url)
    page.get_by_label("Username").fill(KEEPER["username"])
    page.get_by_label("Password").fill(KEEPER["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(installation.url + "/")


def says(page: Page, words: str, seconds: float = 60) -> None:
    """The badge says `words`; within so many seconds, where that is a promise."""
    expect(page.locator("[data-badge-text]").first).to_contain_text(words, timeout=seconds * 1000)
