"""The editor of privacy masks, in a real Chromium."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Tab, new_page
from tests.cameras.temporary_camera import temporary_camera
from tests.e2e.watching import NARROW
from tests.installation import Installation
from tests.waiting import until

pytestmark = pytest.mark.extended


@pytest.fixture
def camera(installation: Installation) -> Iterator[str]:
    """A new camera that is live."""
    name = f"Yard {uuid.uuid4()}"
    with temporary_camera(installation, name=name, kind="demo", detect=False) as made:
        until(lambda: installation.state(made) == "live", 60, "live")
        yield made


def open_editor(page: Page, installation: Installation, camera: str) -> Locator:
    """Open the mask editor with a picture. Returns the drawing area."""

    def pictured() -> bool:
        page.goto(f"{installation.url}/cameras/{camera}/edit")
        return page.locator("[data-masks-stage] img").count() == 1

    until(pictured, 60, "a picture in the editor")
    editor = page.locator("[data-masks]")
    if not editor.is_visible():
        page.get_by_text("Privacy masks", exact=True).click()
    stage = editor.locator("[data-masks-stage]")
    stage.evaluate("stage => stage.scrollIntoView({block: 'center'})")  # not under the bottom bar
    return stage


def to_page(stage: Locator, x: float, y: float) -> tuple[float, float]:
    """Convert a point of the picture (0 to 1) to pixels of the page."""
    box = stage.bounding_box()
    assert box
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def read_masks(page: Page) -> list[list[list[float]]]:
    """Return the masks in the form's hidden field."""
    found: list[list[list[float]]] = json.loads(page.locator("input[name=masks]").input_value())
    return found


def drag(page: Page, stage: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*to_page(stage, *start))
    page.mouse.down()
    page.mouse.move(*to_page(stage, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    page.mouse.move(*to_page(stage, *end))
    page.mouse.up()


def is_close(found: list[list[float]], wanted: list[list[float]], by: float = 0.01) -> bool:
    return len(found) == len(wanted) and all(
        abs(a - b) <= by
        for one, other in zip(found, wanted, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def read_pixel(page: Page, x: float, y: float) -> list[int]:
    """Return red, green and blue of the live picture at a point (0 to 1)."""
    made: list[int] = page.evaluate(
        """([x, y]) => {
            const canvas = document.querySelector("canvas");
            const place = [Math.round(x * canvas.width), Math.round(y * canvas.height), 1, 1];
            return [...canvas.getContext("2d").getImageData(...place).data].slice(0, 3);
        }""",
        [x, y],
    )
    return made


def is_grey(page: Page, x: float, y: float) -> bool:
    return all(abs(one - 112) <= 3 for one in read_pixel(page, x, y))


def test_drawn_mask_covers_the_live_picture(
    tab: Tab, installation: Installation, camera: str
) -> None:
    page, stage = tab.page, open_editor(tab.page, installation, camera)
    drag(page, stage, (0.1, 0.2), (0.4, 0.7))
    assert is_close(read_masks(page)[0], [[0.1, 0.2], [0.4, 0.2], [0.4, 0.7], [0.1, 0.7]])
    for corner in ((0.6, 0.5), (0.9, 0.5), (0.9, 0.9)):
        page.mouse.click(*to_page(stage, *corner))
    page.mouse.click(*to_page(stage, 0.6, 0.5))
    assert is_close(read_masks(page)[1], [[0.6, 0.5], [0.9, 0.5], [0.9, 0.9]])
    page.mouse.click(*to_page(stage, 0.2, 0.6))
    drag(page, stage, (0.4, 0.7), (0.45, 0.8))
    drag(page, stage, (0.2, 0.6), (0.15, 0.6))
    assert is_close(read_masks(page)[0], [[0.05, 0.2], [0.35, 0.2], [0.4, 0.8], [0.05, 0.7]])
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("masked.")).to_be_visible()
    until(lambda: page.locator("canvas:visible").count() and is_grey(page, 0.25, 0.45), 60, "grey")
    assert is_grey(page, 0.8, 0.6)
    assert not all(is_grey(page, 0.5, y / 10) for y in range(1, 10))
    assert tab.errors == []


def test_masks_can_be_edited_by_keyboard(tab: Tab, installation: Installation, camera: str) -> None:
    page, _ = tab.page, open_editor(tab.page, installation, camera)
    page.get_by_role("button", name="Add an area").focus()
    page.keyboard.press("Enter")
    area = page.get_by_role("button", name="Area 1 of 1, 4 corners")
    expect(area).to_be_focused()
    before = read_masks(page)[0]
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert is_close(read_masks(page)[0], [[x - 0.05, y + 0.005] for x, y in before], 0.0002)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Area 1, corner 1 of 4")).to_be_focused()
    page.keyboard.press("Shift+ArrowUp")
    assert is_close(read_masks(page)[0][:1], [[before[0][0] - 0.05, before[0][1] - 0.045]], 0.0002)
    page.keyboard.press("Insert")
    expect(page.get_by_role("button", name="Area 1, corner 2 of 5")).to_be_focused()
    page.keyboard.press("Delete")
    page.keyboard.press("Delete")
    assert len(read_masks(page)[0]) == 3
    page.keyboard.press("Delete")
    expect(page.locator("[data-masks-said]")).to_contain_text("at least three corners")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Area 1 of 1, 3 corners")).to_be_focused()
    page.keyboard.press("Delete")
    assert read_masks(page) == []
    assert tab.errors == []


def test_masks_can_be_drawn_by_touch(
    browser: Browser, session: Any, installation: Installation, camera: str
) -> None:
    how = {"viewport": NARROW, "has_touch": True, "is_mobile": True, "storage_state": session}
    with new_page(browser, **how) as tab:
        page, stage = tab.page, open_editor(tab.page, installation, camera)
        for corner in ((0.2, 0.2), (0.8, 0.2), (0.5, 0.8)):
            page.touchscreen.tap(*to_page(stage, *corner))
        page.touchscreen.tap(*to_page(stage, 0.2, 0.2))
        assert is_close(read_masks(page)[0], [[0.2, 0.2], [0.8, 0.2], [0.5, 0.8]])
        corner = page.get_by_role("button", name="Area 1, corner 1 of 3").bounding_box()
        assert corner
        assert corner["width"] >= 40
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        assert tab.errors == []


def test_masks_can_be_drawn_without_a_picture(tab: Tab, installation: Installation) -> None:
    with temporary_camera(installation, name=f"Blind {uuid.uuid4()}", kind="push") as camera:
        page = tab.page
        page.goto(f"{installation.url}/cameras/{camera}/edit")
        page.get_by_text("Privacy masks", exact=True).click()
        stage = page.locator("[data-masks-stage]")
        assert stage.locator("img").count() == 0
        stage.scroll_into_view_if_needed()
        drag(page, stage, (0.3, 0.3), (0.6, 0.6))
        assert len(read_masks(page)) == 1
        assert tab.errors == []
