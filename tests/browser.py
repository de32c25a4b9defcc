"""Debian's Chromium, driven by Playwright, and pages that collect their errors."""

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

# Milliseconds; the default of 5 s is too short on a busy machine.
expect.set_options(timeout=30_000)
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
    """A page in its own browser context. `errors` collects console errors and exceptions."""

    page: Page
    context: BrowserContext
    errors: list[str] = field(default_factory=list)

    def copy_cookies(self, client: httpx.Client, url: str) -> None:
        """Copy a client's cookies, and so its session, for this URL."""
        for name, value in client.cookies.items():
            self.context.add_cookies([{"name": name, "value": value, "url": url}])

    def record_error(self, message: ConsoleMessage) -> None:
        """Record a console message if it is an error."""
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")


@contextlib.contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """Run a headless browser. `more` are additional command line arguments.

    Playwright keeps an event loop running, so no asyncio test can run inside the block: use it
    for a test or a module, not for the session.
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
    """Open a page in a new context; `options` as for `Browser.new_context`.

    Uncaught exceptions and console errors are collected in `errors`.
    """
    options.setdefault("viewport", {"width": 1440, "height": 900})
    context = browser.new_context(**options)
    try:
        tab = Tab(context.new_page(), context)
        tab.page.on("console", lambda message: tab.record_error(message))
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        yield tab
    finally:
        context.close()
