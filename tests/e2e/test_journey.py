"""What a person sees, in a real Chromium: from signing in to a camera that dies and returns."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Tab, chromium, new_page
from tests.cameras.added import added
from tests.e2e.watching import NARROW, promised, says, sign_in
from tests.installation import Installation, installed
from tests.servers import http_camera, rtsp_server
from tests.waiting import until


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as found:
        yield found


def open_camera(page: Page, installation: Installation, camera: str) -> None:
    page.goto(f"{installation.url}/cameras/{camera}")


def accented(page: Page) -> int:
    """How many pixels of the picture have the colour of boxes and labels."""
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


def tile_of(page: Page, installation: Installation, name: str) -> Locator:
    """On the wall, in view: one far below, behind other tests' cameras, gets nothing."""
    page.goto(installation.url)
    tile = page.get_by_role("link", name=name).first
    tile.scroll_into_view_if_needed()
    return tile


def widths_of(page: Page) -> list[int]:
    """A list that grows with the pictures that come to the page's sockets from now on."""
    found: list[int] = []

    def note(payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            length = int.from_bytes(payload[:4], "big")
            found.append(json.loads(payload[4 : 4 + length])["width"])

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    return found


def wait_on(page: Page, condition: Callable[[], object]) -> None:
    """Let the page go on until the condition is true."""
    until(lambda: condition() or page.wait_for_timeout(50), 60)


@pytest.mark.extended
def test_wall_gets_small_pictures_and_the_camera_page_its_own(
    tab: Tab, installation: Installation
) -> None:
    page = tab.page
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    seen = widths_of(page)
    tile = tile_of(page, installation, "Plaza")
    expect(tile).to_have_attribute("data-pictured", "")
    wait_on(page, lambda: len(seen) > 10)
    assert set(seen) <= {320, 640}
    tile.click()
    says(page, "Live")
    wait_on(page, lambda: 768 in seen)
    expect(page.locator("[data-fact=viewers]")).to_have_text(re.compile("^[1-9]"))


@pytest.mark.extended
def test_it_works(tab: Tab, installation: Installation) -> None:
    """Wall, camera, boxes that the toggle draws and removes, back by Escape."""
    page = tab.page
    with added(installation, name="Promenade", kind="demo", classes=["person"]):
        tile = tile_of(page, installation, "Promenade")
        expect(tile.locator("[data-badge-text]")).to_contain_text("Live")
        expect(tile.locator("[data-count]")).to_contain_text("people")
        tile.click()
        expect(page.get_by_role("heading", name="Promenade")).to_be_visible()
        says(page, "Live")
        expect(page.locator("[data-fact=size]")).to_have_text("768 × 432")
        until(lambda: accented(page) > 300, 60, "boxes on the picture")
        toggle = page.get_by_role("button", name="Detections")
        expect(toggle).to_have_attribute("aria-pressed", "true")
        toggle.click()
        expect(toggle).to_have_attribute("aria-pressed", "false")
        until(lambda: accented(page) < 100, 60, "a picture without boxes")
        page.reload()
        expect(toggle).to_have_attribute("aria-pressed", "false")
        toggle.click()
        until(lambda: accented(page) > 300, 60, "boxes again")
        page.keyboard.press("Escape")
        expect(page).to_have_url(installation.url + "/")
        assert tab.errors == []


@pytest.mark.extended
def test_snapshot_is_downloaded(tab: Tab, installation: Installation) -> None:
    page = tab.page
    tile_of(page, installation, "Plaza").click()
    says(page, "Live")
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
    """Added in the form as a person would; stale within 3 s, offline with a reason, then live."""
    page = tab.page
    page.goto(installation.url)
    with rtsp_server() as server:
        page.get_by_role("link", name="Add a camera").click()
        page.get_by_label("Name").fill("Gate")
        page.get_by_label("Kind").select_option("rtsp")
        page.get_by_label("Source").fill(server.url)
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("Connected: 768×432.")).to_be_visible(timeout=10_000)
        page.get_by_role("button", name="Add camera").click()
        page.goto(installation.url)
        page.get_by_role("link", name="Gate").click()
        says(page, "Live", 20)
        expect(page.locator("[data-count]")).to_contain_text("people", timeout=20_000)
        page.evaluate(KEEP_BADGE)
        server.freeze()
        frozen_at = time.time() * 1000
        says(page, "Stale, last picture", 4)
        turned_at, oldest_live = page.evaluate(WHEN_STALE)
        # Pictures on their way at the freeze still come, so it is later than the last one's 3 s.
        assert turned_at - frozen_at <= 3500
        assert 1 < oldest_live <= 3, "the page itself showed an older picture as live"
        assert _dimmed(page), "a stale picture must not look live"
        server.thaw()
        says(page, "Live", 20)
        until(lambda: not _dimmed(page), 2, "a picture at full strength")
        server.kill()
        says(page, "Stale", 4)
        says(page, "Offline since", 20)
        expect(page.locator("[data-note]")).to_contain_text("refused", timeout=20_000)
        assert _dimmed(page)
        server.start()
        says(page, "Live", 45)
    camera = page.url.rsplit("/", 1)[-1]
    with installation.api() as api:
        assert api.delete(f"/cameras/{camera}").status_code == 204
    expect(page.get_by_text("This camera is gone").first).to_be_visible(timeout=10_000)


def _dimmed(page: Page) -> bool:
    """The picture is drawn weaker than a live one."""
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
        added(installation, name="Yard", kind="http", source=server.url) as camera,
    ):
        open_camera(page, installation, camera)
        says(page, "Live")
        expect(page.locator("[data-count]")).to_contain_text("people")


@pytest.mark.extended
def test_browser_camera_is_published_and_seen_elsewhere(
    tab: Tab, browser: Browser, session: Any, installation: Installation
) -> None:
    with added(installation, name="Bench phone", kind="push") as camera:
        page = tab.page
        open_camera(page, installation, camera)
        says(page, "Offline")
        page.get_by_role("button", name="Publish this camera").click()
        says(page, "Live")
        with new_page(browser, viewport=NARROW, storage_state=session) as other:
            open_camera(other.page, installation, camera)
            says(other.page, "Live")
        page.get_by_role("button", name="Stop publishing").click()
        says(page, "Stale")


@promised(6)
def test_server_that_restarts_is_found_again(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, within: int
) -> None:
    """The page says that it reconnects, and is live again by itself."""
    with installed(tmp_path_factory.mktemp("restarts")) as alone, new_page(browser) as opened:
        process = alone.serve()
        page = opened.page
        sign_in(page, alone)
        says(page, "Live")
        process.terminate()
        process.wait(30)
        expect(page.get_by_text("Reconnecting").first).to_be_visible(timeout=within * 1000)
        alone.serve()
        says(page, "Live")


@pytest.mark.extended
def test_leaving_the_page_closes_the_socket(tab: Tab, installation: Installation) -> None:
    page = tab.page
    page.add_init_script(
        """window.WebSocket = class extends WebSocket {
            close(...why) { sessionStorage.left = this.readyState; super.close(...why); }
        }"""
    )
    page.goto(tile_of(page, installation, "Plaza").evaluate("link => link.href"))
    says(page, "Live")
    page.goto(f"{installation.url}/account/password")
    assert page.evaluate("sessionStorage.left") == "1", "an open socket was closed on leaving"
