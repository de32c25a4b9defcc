"""A page of another site shows a camera in `<img>`: by a stream key, and by nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

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
