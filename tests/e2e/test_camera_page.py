"""The camera page in Chromium: dialogs with and without scripts, zoom, and the masked picture."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Tab, new_page
from tests.cameras.temporary_camera import temporary_camera
from tests.e2e.watching import FITS_WIDTH, NARROW, expect_badge
from tests.installation import Installation
from tests.waiting import until

pytestmark = pytest.mark.extended

# A page on plain HTTP has no clipboard.
WITHOUT_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
# Sockets that never open: no new picture comes.
WITHOUT_SOCKETS = """window.WebSocket = class extends EventTarget {
  static OPEN = 1; readyState = 0; close() {}
}"""
# Red, green and blue of a still picture at two points.
STILL_PIXELS = """(image) => {
  const canvas = document.createElement("canvas");
  const [width, height] = [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [[0.5, 0.5], [0.1, 0.9]].map(([x, y]) =>
    [...context.getImageData(x * width, y * height, 1, 1).data].slice(0, 3));
}"""


@pytest.fixture
def camera(installation: Installation) -> Iterator[str]:
    name = f"Court {uuid.uuid4()}"
    with temporary_camera(installation, name=name, kind="demo", detect=False) as made:
        until(lambda: installation.state(made) == "live", 60, "live")
        yield made


def test_new_link_is_focused_and_is_selected_where_it_cannot_be_copied(
    tab: Tab, installation: Installation, camera: str
) -> None:
    page = tab.page
    page.add_init_script(WITHOUT_CLIPBOARD)
    page.goto(f"{installation.url}/cameras/{camera}")
    page.get_by_role("link", name="Share links").click()
    dialog = page.get_by_role("dialog", name="Share links")
    dialog.get_by_role("button", name="Make a link").click()
    expect(dialog.get_by_label("Who is it for")).to_be_focused()  # it must not be empty
    dialog.get_by_label("Who is it for").fill("Away fans")
    dialog.get_by_role("button", name="Make a link").click()
    expect(dialog.locator(".secret")).to_be_focused()
    dialog.get_by_role("button", name="Copy: the new share link").click()
    expect(dialog.get_by_text("press Ctrl C")).to_be_visible()
    address = dialog.get_by_label("Address", exact=True).input_value()
    assert address.startswith(f"{installation.url}/shared/")
    assert page.evaluate("getSelection().toString()") == address
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(f"{installation.url}/cameras/{camera}")
    page.goto(f"{installation.url}/cameras/{camera}#share-links")
    dialog.get_by_role("link", name="Close").click()
    expect(dialog).to_be_hidden()
    assert tab.errors == []


def test_dialogs_work_without_scripts(
    browser: Browser, session: Any, installation: Installation, camera: str
) -> None:
    with new_page(browser, storage_state=session, java_script_enabled=False) as tab:
        page = tab.page
        page.goto(f"{installation.url}/cameras/{camera}")
        keys = page.locator("#stream-keys")
        expect(keys).to_be_hidden()
        page.get_by_role("link", name="Stream keys").click()
        expect(keys).to_be_visible()
        keys.get_by_label("Who or what is it for").fill("TV")
        keys.get_by_role("button", name="Make a key").click()
        expect(keys.locator(".secret")).to_be_in_viewport()
        keys.get_by_role("link", name="Close").click()
        expect(keys).to_be_hidden()
        expect(page).to_have_url(f"{installation.url}/cameras/{camera}")


def scale(page: Page) -> float:
    return float(page.locator("[data-zoom-text]").inner_text().removesuffix("×"))


def top_left(page: Page) -> list[float]:
    """Return the mean colour of the canvas's upper left, which a drag changes."""
    colours: list[float] = page.evaluate(
        """() => {
            const canvas = document.querySelector("canvas");
            const {data} = canvas.getContext("2d").getImageData(0, 0, 200, 200);
            return [0, 1, 2].map((part) => {
                let sum = 0;
                for (let at = part; at < data.length; at += 4) sum += data[at];
                return sum / (data.length / 4);
            });
        }"""
    )
    return colours


def differ(colour: list[float], other: list[float]) -> bool:
    return max(abs(a - b) for a, b in zip(colour, other, strict=True)) > 5


def middle(stage: Locator) -> tuple[float, float]:
    box = stage.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_picture_is_zoomed_by_wheel_keys_and_double_click_and_moved_by_drag(
    tab: Tab, installation: Installation, camera: str
) -> None:
    page, stage = tab.page, tab.page.locator(".stage")
    page.goto(f"{installation.url}/cameras/{camera}")
    expect_badge(page, "Live")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    x, y = middle(stage)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -200)
    page.mouse.wheel(0, -200)
    until(lambda: scale(page) > 2.2, 60, "a zoomed picture")
    before = top_left(page)
    page.mouse.down()
    page.mouse.move(x + 250, y + 150, steps=3)
    page.mouse.up()
    until(lambda: differ(top_left(page), before), 60, "another part of the picture")
    page.keyboard.press("0")
    assert scale(page) == 1
    page.keyboard.press("+")
    assert scale(page) == 1.5
    page.keyboard.press("-")
    assert scale(page) == 1
    page.mouse.dblclick(x, y)
    assert scale(page) == 2
    page.locator("[data-zoom=reset]").click()
    assert scale(page) == 1
    assert tab.errors == []


def test_picture_is_zoomed_by_two_fingers(
    browser: Browser, session: Any, installation: Installation, camera: str
) -> None:
    how = {"viewport": NARROW, "has_touch": True, "is_mobile": True, "storage_state": session}
    with new_page(browser, **how) as tab:
        page = tab.page
        page.goto(f"{installation.url}/cameras/{camera}")
        expect_badge(page, "Live")
        x, y = middle(page.locator(".stage"))
        devtools = tab.context.new_cdp_session(page)

        def touch(kind: str, *distances: float) -> None:
            points = [{"x": x + by, "y": y, "id": at} for at, by in enumerate(distances)]
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", -30)
        touch("touchStart", -30, 30)
        for apart in (40, 60, 75):
            touch("touchMove", -apart, apart)
        touch("touchEnd")
        until(lambda: scale(page) == 2.5, 60, "a zoomed picture")
        assert page.evaluate("visualViewport.scale") == 1, "the page itself was zoomed"
        assert page.evaluate(FITS_WIDTH)
        assert tab.errors == []


def test_saved_masks_cover_the_old_picture_until_a_new_one_comes(
    tab: Tab, installation: Installation, camera: str
) -> None:
    page = tab.page

    def has_picture() -> bool:
        page.goto(f"{installation.url}/cameras/{camera}/edit")
        return page.locator("[data-masks-stage] img").count() == 1

    until(has_picture, 60, "a picture in the editor")
    page.get_by_text("Privacy masks", exact=True).click()
    page.get_by_role("button", name="Add an area").click()
    page.add_init_script(WITHOUT_SOCKETS)
    page.get_by_role("button", name="Save", exact=True).click()
    still = page.locator(".stage img.still")
    expect(still).to_be_visible()
    masked, free = still.evaluate(STILL_PIXELS)
    assert all(abs(colour - 112) <= 4 for colour in masked)
    assert any(abs(colour - 112) > 20 for colour in free)
    assert tab.errors == []
