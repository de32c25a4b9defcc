"""Debian's Chromium, driven by Playwright, and pages that remember what went wrong in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

expect.set_options(timeout=30_000)  # milliseconds: five seconds may pass on a busy machine
EXECUTABLE = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(slots=True)
class Tab:
    """A page in a browser context of its own. `errors` grows with what its console complains of."""

    page: Page
    context: BrowserContext
    errors: list[str] = field(default_factory=list)

    def take_over(self, client: httpx.Client, url: str) -> None:
        """Be signed in at this address as the client is."""
        for name, value in client.cookies.items():
            self.context.add_cookies([{"name": name, "value": value, "url": url}])

    def note(self, message: ConsoleMessage) -> None:
        """Keep a console message if it is an error."""
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")


@contextlib.contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """A headless browser that ends with the block. `more` arguments go to its command line.

    Playwright keeps an event loop running meanwhile: no asyncio test may run inside the block, so
    hold it for a test or a module, not for the session.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=EXECUTABLE, args=[*ARGUMENTS, *more], headless=True
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def new_page(browser: Browser, **options: Any) -> Iterator[Tab]:
    """A fresh context with one page; `options` as for `Browser.new_context`.

    Uncaught exceptions and console errors are collected in `errors`.
    """
    options.setdefault("viewport", {"width": 1440, "height": 900})
    context = browser.new_context(**options)
    try:
        tab = Tab(context.new_page(), context)
        tab.page.on("console", lambda message: tab.note(message))
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        yield tab
    finally:
        context.close()
