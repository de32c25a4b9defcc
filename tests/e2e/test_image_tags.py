"""Stream keys in Chromium: `<img>` on a page of another site, and the page that makes a key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import new_page
from tests.installation import Installation
from tests.people import create_scenario
from tests.waiting import until

pytestmark = pytest.mark.extended


@pytest.fixture
def elsewhere() -> Iterator[ThreadingHTTPServer]:
    """A web server. Its site is `localhost`, while ours is 127.0.0.1."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


_ADD_IMAGE = """(url) => {
  const image = document.createElement("img");
  image.onerror = () => { image.dataset.failed = "yes"; };
  image.src = url;
  document.body.append(image);
}"""
_STATES = "[...document.images].map((one) => one.dataset.failed ?? one.naturalWidth)"


def test_image_tag_elsewhere_shows_a_camera_by_its_key(
    installation: Installation, browser: Browser, elsewhere: ThreadingHTTPServer
) -> None:
    scenario = create_scenario(installation, "images")
    until(lambda: installation.state(scenario.plaza) == "live", 60, "a live camera")
    cameras = f"{installation.url}/api/v1/cameras"
    urls = (
        f"{cameras}/{scenario.key}/snapshot.jpg?width=320",
        f"{cameras}/{scenario.key}/stream.mjpeg",
        f"{cameras}/{scenario.plaza}/snapshot.jpg",
    )
    with new_page(browser) as tab:
        tab.page.goto(f"http://localhost:{elsewhere.server_port}/")
        for url in urls:
            tab.page.evaluate(_ADD_IMAGE, url)
        until(lambda: tab.page.evaluate(_STATES) == [320, 768, "yes"], 60, "two pictures")
        assert [error for error in tab.errors if "401" not in error] == []
        tab.errors.clear()


def test_new_key_is_focused_and_in_view_on_a_phone(
    installation: Installation, browser: Browser
) -> None:
    scenario = create_scenario(installation, "new-key")
    session = scenario["operator"].session
    with new_page(browser) as tab:
        cookie = {"name": "sideline_session", "value": session, "url": installation.url}
        tab.page.context.add_cookies([cookie])  # type: ignore[list-item]
        tab.page.set_viewport_size({"width": 390, "height": 844})
        tab.page.goto(f"{installation.url}/cameras/{scenario.plaza}")
        keys = tab.page.locator("#stream-keys")
        tab.page.get_by_role("link", name="Stream keys").click()
        keys.locator("input[name$=name]").fill("TV")
        keys.get_by_role("button", name="Make a key").click()
        secret = tab.page.locator(".secret")
        expect(secret).to_be_focused()
        expect(secret.get_by_role("button").first).to_be_in_viewport()
