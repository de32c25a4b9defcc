"""The camera pages in a real Chromium, from the wall to a camera that fails and recovers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Tab, chromium, new_page
from tests.cameras.temporary_camera import temporary_camera
from tests.e2e.watching import NARROW, expect_badge, promised, sign_in
from tests.installation import Installation, installed
from tests.servers import http_camera, rtsp_server
from tests.waiting import until


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as found:
        yield found


def open_camera(page: Page, installation: Installation, camera: str) -> None:
    page.goto(f"{installation.url}/cameras/{camera}")


def count_box_pixels(page: Page) -> int:
    """Return how many pixels of the picture have the colour of boxes and labels."""
    return int(
        page.evaluate(
            """() => {
            const canvas = document.querySelector("canvas");
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let found = 0;
            for (let i = 0; i < data.length; i += 4)
                if (data[i] < 90 && data[i + 1] > 180 && data[i + 2] > 170) found++;
            return found;
        }"""
        )
    )


def open_tile(page: Page, installation: Installation, name: str) -> Locator:
    """Open the wall and scroll to the camera's tile: tiles out of view receive no frames."""
    page.goto(installation.url)
    tile = page.get_by_role("link", name=name).first
    tile.scroll_into_view_if_needed()
    return tile


def record_widths(page: Page) -> list[int]:
    """Return a list to which the width of every frame received from now on is appended."""
    found: list[int] = []

    def note(payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            length = int.from_bytes(payload[:4], "big")
            found.append(json.loads(payload[4 : 4 + length])["width"])

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    return found


def wait_for(page: Page, condition: Callable[[], object]) -> None:
    """Process the page's events until the condition is true."""
    until(lambda: condition() or page.wait_for_timeout(50), 60)


@pytest.mark.extended
def test_wall_receives_small_pictures_and_the_camera_page_large_ones(
    tab: Tab, installation: Installation
) -> None:
    page = tab.page
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    seen = record_widths(page)
    tile = open_tile(page, installation, "Plaza")
    expect(tile).to_have_attribute("data-pictured", "")
    wait_for(page, lambda: len(seen) > 10)
    assert set(seen) <= {320, 640}
    tile.click()
    expect_badge(page, "Live")
    wait_for(page, lambda: 768 in seen)
    expect(page.locator("[data-fact=viewers]")).to_have_text(re.compile("^[1-9]"))


@pytest.mark.extended
def test_it_works(tab: Tab, installation: Installation) -> None:
    """From the wall to a camera; toggle the boxes; back with Escape."""
    page = tab.page
    with temporary_camera(installation, name="Promenade", kind="demo", classes=["person"]):
        tile = open_tile(page, installation, "Promenade")
        expect(tile.locator("[data-badge-text]")).to_contain_text("Live")
        expect(tile.locator("[data-count]")).to_contain_text("people")
        tile.click()
        expect(page.get_by_role("heading", name="Promenade")).to_be_visible()
        expect_badge(page, "Live")
        expect(page.locator("[data-fact=size]")).to_have_text("768 × 432")
        until(lambda: count_box_pixels(page) > 300, 60, "boxes on the picture")
        toggle = page.get_by_role("button", name="Detections")
        expect(toggle).to_have_attribute("aria-pressed", "true")
        toggle.click()
        expect(toggle).to_have_attribute("aria-pressed", "false")
        until(lambda: count_box_pixels(page) < 100, 60, "a picture without boxes")
        page.reload()
        expect(toggle).to_have_attribute("aria-pressed", "false")
        toggle.click()
        until(lambda: count_box_pixels(page) > 300, 60, "boxes again")
        page.keyboard.press("Escape")
        expect(page).to_have_url(installation.url + "/")
        assert tab.errors == []


@pytest.mark.extended
def test_snapshot_is_downloaded(tab: Tab, installation: Installation) -> None:
    page = tab.page
    open_tile(page, installation, "Plaza").click()
    expect_badge(page, "Live")
    with page.expect_download() as download:
        page.get_by_role("link", name="Snapshot").click()
    path = download.value.path()
    assert path.read_bytes()[:3] == b"\xff\xd8\xff"
    assert download.value.suggested_filename.endswith(".jpg")


KEEP_BADGE = """() => {
    const text = document.querySelector("[data-badge-text]");
    window.badges = [];
    new MutationObserver(() => window.badges.push([Date.now(), text.textContent]))
        .observe(text, {childList: true, characterData: true, subtree: true});
}"""
WHEN_STALE = """() => {
    const turned = window.badges.findIndex(([, words]) => words.startsWith("Stale"));
    const live = window.badges.slice(0, turned).map(([, words]) => words.match(/^Live (.*) s$/));
    return [window.badges[turned][0], Math.max(...live.map((found) => Number(found[1])))];
}"""


@pytest.mark.timing
def test_rtsp_camera_freezes_dies_and_comes_back(tab: Tab, installation: Installation) -> None:
    """Added with the form. Stale within 1.5 s, then offline with a reason, then live again."""
    page = tab.page
    page.goto(installation.url)
    with rtsp_server() as server:
        page.get_by_role("link", name="Add a camera").click()
        page.get_by_label("Name", exact=True).fill("Gate")
        page.get_by_label("Kind").select_option("rtsp")
        page.get_by_label("Source").fill(server.url)
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("Connected: 768×432.")).to_be_visible(timeout=10_000)
        page.get_by_role("button", name="Add camera").click()
        page.goto(installation.url)
        page.get_by_role("link", name="Gate").click()
        expect_badge(page, "Live", 20)
        expect(page.locator("[data-count]")).to_contain_text("people", timeout=20_000)
        page.evaluate(KEEP_BADGE)
        server.freeze()
        frozen_at = time.time() * 1000
        expect_badge(page, "s old", 4)
        turned_at, oldest_live = page.evaluate(WHEN_STALE)
        # Pictures in transit at the freeze still arrive, so the 1.5 s begin a little later.
        assert turned_at - frozen_at <= 2000
        assert 1 < oldest_live <= 1.5, "the page itself showed an older picture as live"
        assert _is_dimmed(page), "a stale picture must not look live"
        server.thaw()
        expect_badge(page, "Live", 20)
        until(lambda: not _is_dimmed(page), 2, "a picture at full strength")
        server.kill()
        expect_badge(page, "Stale", 4)
        expect_badge(page, "Offline since", 20)
        expect(page.locator("[data-note]")).to_contain_text("refused", timeout=20_000)
        assert _is_dimmed(page)
        server.start()
        expect_badge(page, "Live", 45)
    camera = page.url.rsplit("/", 1)[-1]
    with installation.api() as api:
        assert api.delete(f"/cameras/{camera}").status_code == 204
    expect(page.get_by_text("This camera is gone").first).to_be_visible(timeout=10_000)


def _is_dimmed(page: Page) -> bool:
    """Return whether the picture is drawn weaker than a live one."""
    opacity, filtered = page.evaluate(
        """() => {
        const style = getComputedStyle(document.querySelector(".screen canvas"));
        return [Number(style.opacity), style.filter];
    }"""
    )
    return bool(opacity < 0.9 or filtered != "none")


@pytest.mark.extended
def test_mjpeg_camera_shows_people(tab: Tab, installation: Installation) -> None:
    page = tab.page
    with (
        http_camera() as server,
        temporary_camera(installation, name="Yard", kind="http", source=server.url) as camera,
    ):
        open_camera(page, installation, camera)
        expect_badge(page, "Live")
        expect(page.locator("[data-count]")).to_contain_text("people")


@pytest.mark.extended
def test_browser_camera_is_published_and_seen_elsewhere(
    tab: Tab, browser: Browser, session: Any, installation: Installation
) -> None:
    with temporary_camera(installation, name="Bench phone", kind="push") as camera:
        page = tab.page
        open_camera(page, installation, camera)
        expect_badge(page, "Waiting for its first picture")
        page.get_by_role("button", name="Publish this browser’s camera").click()
        expect_badge(page, "Live")
        expect(page.get_by_role("button", name="Publish this browser’s camera")).to_be_hidden()
        with new_page(browser, viewport=NARROW, storage_state=session) as other:
            open_camera(other.page, installation, camera)
            expect_badge(other.page, "Live")
        page.get_by_role("button", name="Stop publishing").click()
        expect_badge(page, "Stale")


@promised(6)
def test_page_reconnects_after_a_server_restart(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, within: int
) -> None:
    """The page shows “Reconnecting” and becomes live again by itself."""
    with installed(tmp_path_factory.mktemp("restarts")) as alone, new_page(browser) as opened:
        process = alone.serve()
        page = opened.page
        sign_in(page, alone)
        expect_badge(page, "Live")
        process.terminate()
        process.wait(30)
        expect(page.get_by_text("Reconnecting").first).to_be_visible(timeout=within * 1000)
        alone.serve()
        expect_badge(page, "Live")


@pytest.mark.extended
def test_leaving_the_page_closes_the_socket(tab: Tab, installation: Installation) -> None:
    page = tab.page
    page.add_init_script(
        """window.WebSocket = class extends WebSocket {
            close(...why) { sessionStorage.left = this.readyState; super.close(...why); }
        }"""
    )
    page.goto(open_tile(page, installation, "Plaza").evaluate("link => link.href"))
    expect_badge(page, "Live")
    page.goto(f"{installation.url}/account/password")
    assert page.evaluate("sessionStorage.left") == "1", "an open socket was closed on leaving"
