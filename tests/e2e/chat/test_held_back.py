"""Answers behind a real nginx: the page says so where they are held back, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.chatting import Person, person
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.nginx import nginx
from tests.waiting import free_port

pytestmark = pytest.mark.extended

# nginx collects what comes by HTTP/1.0, its own default, and passes on chunks of HTTP/1.1.
BUFFERING = "proxy_http_version 1.0; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
PASSING_ON = "proxy_http_version 1.1; proxy_buffering off;"
SLOW = Script(pieces=tuple(f"word {number} " for number in range(12)), pause=0.5)
FAST = Script(pieces=SLOW.pieces)


@contextmanager
def behind(
    lines: str, folder: Path, browser: Browser, club: Installation, model: Model, session: Any
) -> Iterator[Person]:
    """The keeper's browser, which reaches the club through an nginx with these lines."""
    port = free_port()
    site = f"""
        server {{
            listen 127.0.0.1:{port};
            location / {{
                proxy_set_header Host $http_host; {lines} proxy_pass http://127.0.0.1:{club.port};
            }}
        }}
        """
    url = f"http://127.0.0.1:{port}"
    with (
        nginx(folder, site, port),
        person(browser, club, model, session, at=url) as somebody,
    ):
        yield somebody


def test_page_says_that_an_answer_was_held_back(
    tmp_path: Path, browser: Browser, club: Installation, model: Model, session: Any
) -> None:
    with behind(BUFFERING, tmp_path, browser, club, model, session) as keeper:
        model.script = FAST
        keeper.ask_in_new_chat("Quickly?")
        keeper.wait_for_end()
        notice = keeper.answers.last.locator("[data-held-back]")
        expect(notice).to_have_count(0)
        model.script = SLOW
        keeper.ask("Slowly?")
        expect(keeper.answers).to_have_count(2)
        keeper.wait_for_end()
        expect(notice).to_have_text(
            "This answer arrived all at once: something between this page and the server holds "
            "events back. The file docs/proxies.md of the installation says how to mend it."
        )
        keeper.page.reload()  # a replay is not judged
        keeper.wait_for_end()
        expect(notice).to_have_count(0)


def test_page_is_quiet_about_an_answer_that_arrived_as_written(
    tmp_path: Path, browser: Browser, club: Installation, model: Model, session: Any
) -> None:
    with behind(PASSING_ON, tmp_path, browser, club, model, session) as keeper:
        model.script = SLOW
        keeper.ask_in_new_chat("Slowly?")
        keeper.wait_for_end()
        expect(keeper.words).to_contain_text("word 11")
        expect(keeper.answers.last.locator("[data-held-back]")).to_have_count(0)
