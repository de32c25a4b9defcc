"""Every page fits, every control has a name, and all is reached by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import Tab, new_page
from tests.e2e.watching import NARROW, WIDE, says, sign_in
from tests.installation import Installation


@pytest.fixture
def tab(browser: Browser, house: Installation) -> Iterator[Tab]:
    with new_page(browser, viewport=WIDE) as opened:
        sign_in(opened.page, house)
        yield opened


@pytest.mark.parametrize("viewport", [WIDE, NARROW])
@pytest.mark.parametrize(
    "path",
    ["/", "/cameras/{plaza}", "/cameras/new", "/account/password", "/organizations/demo-club"],
)
def test_pages_fit_and_every_control_has_a_name(
    tab: Tab, house: Installation, viewport: dict[str, int], path: str
) -> None:
    page = tab.page
    page.set_viewport_size(viewport)  # type: ignore[arg-type]
    with house.api() as api:
        cameras = api.get("/cameras").json()["results"]
    plaza = next(one["id"] for one in cameras if one["kind"] == "demo")
    page.goto(house.url + path.format(plaza=plaza))
    if "plaza" in path:
        says(page, "Live", 15)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input, select, textarea")]
            .filter((one) => one.type !== "hidden")
            .filter((one) => one.checkVisibility() && one.ariaHidden !== "true")
            .filter((one) => !(one.innerText?.trim() || one.getAttribute("aria-label")
                || one.getAttribute("aria-labelledby") || one.labels?.length || one.title
                || one.querySelector("img[alt]:not([alt=''])")))
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []


def test_every_control_of_the_camera_page_is_reached_by_tab(tab: Tab) -> None:
    page = tab.page
    page.get_by_role("link", name="Plaza").first.click()
    says(page, "Live", 15)
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Detections", "Snapshot", "Full screen"} <= reached
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
