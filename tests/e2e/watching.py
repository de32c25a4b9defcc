"""Sign-in, viewports and page checks for the tests in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.installation import KEEPER, Installation

WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
# Runs before the page's scripts: records what no text of a user may cause.
RECORD_VIOLATIONS = """
window.happened = [];
for (const name of ["alert", "confirm", "prompt", "open"])
    window[name] = () => { window.happened.push(name); };
document.addEventListener("securitypolicyviolation",
    (event) => window.happened.push(event.violatedDirective + " " + event.blockedURI));
"""
# True if the page does not scroll sideways.
FITS_WIDTH = "document.documentElement.scrollWidth <= innerWidth"
# Visible controls without an accessible name, as HTML.
UNNAMED_CONTROLS = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
    .filter((one) => one.type !== "hidden" && one.checkVisibility() && one.ariaHidden !== "true")
    .filter((one) => !(one.innerText?.trim() || one.getAttribute("aria-label")
        || one.labels?.length || one.title))
    .map((one) => one.outerHTML)"""
# True if the canvas shows a picture.
CANVAS_HAS_PICTURE = """() => {
  const canvas = document.querySelector("canvas");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(data).size > 50;
}"""


def promised(seconds: int) -> pytest.MarkDecorator:
    """Run the test twice: with a generous `within`, and in the timing lane with this one."""
    return pytest.mark.parametrize(
        "within",
        [
            pytest.param(60, id="some time", marks=pytest.mark.extended),
            pytest.param(seconds, id=f"{seconds} s", marks=pytest.mark.timing),
        ],
    )


def sign_in(page: Page, installation: Installation) -> None:
    """Sign in with the installation's administrator."""
    page.goto(installation.url)
    page.get_by_label("Username").fill(KEEPER["username"])
    page.get_by_label("Password").fill(KEEPER["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(installation.url + "/")


def expect_badge(page: Page, words: str, seconds: float = 60) -> None:
    """Wait until the badge of the first camera contains the text."""
    expect(page.locator("[data-badge-text]").first).to_contain_text(words, timeout=seconds * 1000)
