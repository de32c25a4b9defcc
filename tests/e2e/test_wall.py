"""The wall in a real Chromium: it fills the window, is arranged and filtered, and is a screen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Tab
from tests.cameras.temporary_camera import temporary_camera
from tests.e2e.watching import FITS_WIDTH
from tests.installation import Installation
from tests.waiting import until

pytestmark = pytest.mark.extended
PREFIX = "Wall "
GROUP = "?group=Journey"
FILLS_WINDOW = "document.documentElement.scrollHeight <= innerHeight"


@pytest.fixture
def cameras(installation: Installation) -> Iterator[None]:
    """Four cameras of one group; nobody publishes, and one is switched off."""
    with contextlib.ExitStack() as stack:
        for name in "ABCD":
            facts = {"name": PREFIX + name, "group": "Journey", "kind": "push"}
            stack.enter_context(
                temporary_camera(installation, **facts, detect=False, enabled=name != "C")
            )
        yield


def names(page: Page) -> str:
    """Return the letters of the visible tiles, as they stand."""
    found = page.locator("[data-tile]:not([hidden])").evaluate_all(
        "(tiles) => tiles.map((tile) => tile.dataset.name.at(-1))"
    )
    return "".join(found)


def wait_for_names(page: Page, wanted: str) -> None:
    until(lambda: names(page) == wanted or page.wait_for_timeout(50), 20, f"the tiles {wanted}")


def test_wall_is_arranged_filtered_and_shown_on_a_screen(
    cameras: None, tab: Tab, installation: Installation
) -> None:
    page = tab.page
    page.goto(installation.url + "/" + GROUP)
    assert names(page) == "ABCD"
    assert page.evaluate(FILLS_WINDOW)
    assert page.locator("[data-wall]").get_attribute("data-columns") == "2"

    # By keyboard: saved, told, and kept after a reload.
    with page.expect_response("**/wall/arrange"):
        page.locator("[data-tile] a").first.focus()
        page.keyboard.press("Alt+ArrowRight")
        page.keyboard.press("Alt+ArrowDown")
    assert names(page) == "BCDA"
    expect(page.locator("[data-moved]")).to_have_text(f"{PREFIX}A is 4 of 4.")
    expect(page.locator("[data-tile] a").last).to_be_focused()
    page.reload()
    assert names(page) == "BCDA"

    # By mouse, which opens no camera.
    first = page.locator("[data-tile]").first
    target = page.locator("[data-tile]").last.bounding_box()
    start = first.bounding_box()
    assert target is not None
    assert start is not None
    with page.expect_response("**/wall/arrange"):
        page.mouse.move(start["x"] + 50, start["y"] + 50)
        page.mouse.down()
        page.mouse.move(target["x"] + 60, target["y"] + 60, steps=8)
        page.mouse.up()
    assert names(page) == "CDAB"
    page.reload()
    assert names(page) == "CDAB"

    # An order that cannot be saved goes back, and says so.
    page.route("**/wall/arrange", lambda route: route.abort())
    page.locator("[data-tile] a").first.focus()
    page.keyboard.press("Alt+End")
    expect(page.get_by_text("The cameras stand as before.")).to_be_visible()
    assert names(page) == "CDAB"
    page.unroute("**/wall/arrange")
    tab.errors.clear()  # the request that was aborted

    # The filter is in the address.
    chip = page.get_by_role("button", name="1 off", exact=True)
    chip.click()
    wait_for_names(page, "C")
    page.reload()
    assert names(page) == "C"
    expect(chip).to_have_attribute("aria-pressed", "true")
    chip.click()
    wait_for_names(page, "CDAB")

    # A screen, which a reload keeps and Escape leaves.
    page.goto(installation.url + "/" + GROUP + "&screen")
    expect(page.locator(".rail")).to_be_hidden()
    expect(page.locator("[data-wall-bar]")).to_be_hidden()
    assert page.evaluate(FILLS_WINDOW)
    page.wait_for_selector("[data-idle]")
    expect(page.get_by_role("button", name="Leave screen mode")).to_be_hidden()
    page.mouse.move(200, 200)
    expect(page.get_by_role("button", name="Leave screen mode")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".rail")).to_be_visible()
    assert page.url.endswith(GROUP)
    assert page.evaluate(FITS_WIDTH)
    assert tab.errors == []
