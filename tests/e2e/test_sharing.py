"""A share link in real browsers: created by an operator, opened by a guest, revoked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Tab, new_page
from tests.cameras.temporary_camera import temporary_camera
from tests.e2e.watching import CANVAS_HAS_PICTURE, NARROW, promised
from tests.installation import Installation, installed
from tests.waiting import until


@pytest.fixture
def camera(installation: Installation) -> Iterator[str]:
    with temporary_camera(installation, name="Shared pitch", kind="demo", detect=False) as made:
        yield made


def make_link(page: Page, installation: Installation, camera: str) -> str:
    """Create a link on the camera's page. Returns its URL."""
    page.goto(f"{installation.url}/cameras/{camera}")
    page.get_by_role("link", name="Share links").click()
    panel = page.get_by_role("dialog", name="Share links")
    panel.get_by_label("Who is it for").fill("Away fans")
    panel.get_by_label("May be opened").select_option("5 times")
    panel.get_by_role("button", name="Make a link").click()
    expect(page.get_by_text("The share link “Away fans” is made.")).to_be_visible()
    expect(panel.locator(".secret")).to_be_focused()
    address = panel.get_by_label("Address", exact=True)
    expect(address).to_be_in_viewport()
    return address.input_value()


COUNT_SOCKETS = """
window.sockets = 0;
window.WebSocket = class extends WebSocket {
  constructor(...how) { super(...how); window.sockets += 1; }
};
"""


def wait_until_live(page: Page) -> None:
    badge = page.locator("[data-badge-text]")
    until(lambda: badge.inner_text().startswith("Live"), 60, "live")
    until(lambda: page.evaluate(CANVAS_HAS_PICTURE), 60, "a picture that is drawn")


def revoke(page: Page, installation: Installation, camera: str) -> None:
    page.goto(f"{installation.url}/cameras/{camera}#share-links")
    page.get_by_role("button", name="Revoke Away fans").click()
    page.locator("#confirm").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The share link “Away fans” is revoked.")).to_be_visible()


@promised(3)
def test_guest_can_watch_until_the_link_is_revoked(
    installation: Installation, browser: Browser, tab: Tab, camera: str, within: int
) -> None:
    address = make_link(tab.page, installation, camera)
    with new_page(browser, viewport=NARROW) as guest:
        page = guest.page
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.add_init_script(COUNT_SOCKETS)
        page.goto(address)
        expect(page.get_by_role("heading")).to_contain_text(
            "shares the camera Shared pitch with you"
        )
        assert page.evaluate("window.sockets") == 0
        page.get_by_role("button", name="Watch").click()
        wait_until_live(page)
        expect(page.locator("[data-size]")).to_have_text("768 × 432")
        page.get_by_role("button", name="Detections").click()
        assert (
            page.get_by_role("button", name="Detections").get_attribute("aria-pressed") == "false"
        )
        page.reload()
        wait_until_live(page)
        expect(tab.page.locator("#share-links")).to_contain_text("opened 0 of 5")
        tab.page.reload()
        expect(tab.page.locator("#share-links")).to_contain_text("opened 1 of 5")

        before = page.evaluate("window.sockets")
        revoke(tab.page, installation, camera)
        ended = page.get_by_role("heading", name="This link has ended")
        expect(ended).to_be_visible(timeout=within * 1000)
        expect(page.locator("canvas")).to_have_count(0)
        assert "signed out" not in page.locator("body").inner_text().lower()
        page.evaluate("dispatchEvent(new Event('online'))")  # would trigger a pending reconnect
        assert page.evaluate("window.sockets") == before > 0
        known = (address, f"{installation.url}/static/", "blob:")
        assert [url for url in requested if not url.startswith(known)] == []
        assert guest.errors == []
        page.reload()
        expect(page.get_by_role("heading", name="This link does not open anything")).to_be_visible()
    assert tab.errors == []


@pytest.mark.extended
def test_guest_is_told_that_every_place_is_taken_and_gets_one_that_becomes_free(
    installation: Installation, browser: Browser, tab: Tab, camera: str
) -> None:
    address = make_link(tab.page, installation, camera)
    with new_page(browser) as guest:
        pages = [guest.page] + [guest.context.new_page() for _ in range(3)]
        pages[0].goto(address)
        pages[0].get_by_role("button", name="Watch").click()
        wait_until_live(pages[0])
        for page in pages[1:]:
            page.goto(address)
            wait_until_live(page)
        fifth = guest.context.new_page()
        fifth.goto(address)
        expect(fifth.locator("[data-note]")).to_contain_text("4 windows", timeout=60_000)
        expect(fifth.locator("#toasts")).to_be_empty()
        pages[0].close()
        wait_until_live(fifth)
        wait_until_live(pages[1])
        expect(tab.page.locator("#share-links")).to_contain_text("opened 0 of 5")
        tab.page.reload()
        expect(tab.page.locator("#share-links")).to_contain_text("opened 1 of 5")


@pytest.mark.extended
def test_guest_reconnects_after_the_server_was_killed(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With a new ticket; the place of the former socket is still held."""
    with installed(tmp_path_factory.mktemp("killed")) as alone, new_page(browser) as guest:
        process = alone.serve()
        made = alone.manage("shell", "-v0", "-c", _LINK)
        page = guest.page
        page.goto(f"{alone.url}/shared/{made.partition('LINK ')[2].strip()}")
        page.get_by_role("button", name="Watch").click()
        wait_until_live(page)
        process.kill()
        process.wait(30)
        expect(page.get_by_text("Reconnecting").first).to_be_visible(timeout=60_000)
        alone.serve()
        wait_until_live(page)


_LINK = """
from cameras.models import *
print("LINK", ShareLink.objects.create(camera=Camera.objects.get(), name="Parents").text)
"""


@pytest.mark.extended
def test_page_in_the_back_forward_cache_reports_a_revoked_link(
    installation: Installation, browser: Browser, tab: Tab, camera: str
) -> None:
    """Its next handshake is refused, which a script cannot tell from a network failure."""
    address = make_link(tab.page, installation, camera)
    with new_page(browser) as guest:
        page = guest.page
        page.goto(address)
        page.get_by_role("button", name="Watch").click()
        wait_until_live(page)
        page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
        revoke(tab.page, installation, camera)
        expect(page.locator("canvas")).to_have_count(1)
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        ended = page.get_by_role("heading", name="This link has ended")
        expect(ended).to_be_visible()
        expect(page.locator("canvas")).to_have_count(0)
        expect(page.locator("#toasts")).to_be_empty()
