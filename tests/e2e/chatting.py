"""A user of the chat pages, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Tab, new_page
from tests.e2e.watching import WIDE
from tests.endpoint import Model
from tests.installation import KEEPER, Installation

A_CHAT = re.compile(r"/chats/[0-9a-f-]{36}$")


class Person:
    """A user with one tab."""

    def __init__(self, tab: Tab, installation: Installation, model: Model, at: str = "") -> None:
        self.tab = tab
        self.url = at or installation.url
        self.page = tab.page
        self.installation = installation
        self.model = model

    def sign_in(self) -> None:
        self.page.goto(self.url)
        self.page.get_by_label("Username").fill(KEEPER["username"])
        self.page.get_by_label("Password").fill(KEEPER["password"])
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).to_have_url(self.url + "/")

    @property
    def field(self) -> Locator:
        """The text field for prompts."""
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def answers(self) -> Locator:
        return self.page.get_by_role("article", name="Assistant")

    @property
    def prompts(self) -> Locator:
        return self.page.get_by_role("article", name="You")

    @property
    def words(self) -> Locator:
        """The text of the last answer."""
        return self.answers.last.locator("[data-words]")

    @property
    def stop(self) -> Locator:
        return self.page.get_by_role("button", name="Stop", exact=True)

    def ask(self, prompt: str) -> None:
        """Send a prompt in the open chat."""
        self.field.fill(prompt)
        self.field.press("Enter")

    def ask_in_new_chat(self, prompt: str) -> None:
        """Send a prompt in a new chat."""
        self.page.goto(f"{self.url}/chats/new")
        self.ask(prompt)

    def wait_for_end(self) -> None:
        """Wait until the last answer has ended and its details are shown."""
        expect(self.answers.last.locator(".cost")).to_be_visible()
        expect(self.page.get_by_role("button", name="Send", exact=True)).to_be_visible()

    def act(self, name: str) -> None:
        """Press a button of the last answer."""
        self.answers.last.get_by_role("button", name=name, exact=True).first.click()

    def row(self, title: str) -> Locator:
        """A chat in the list."""
        return self.page.locator(".chat-row", has_text=title)

    def choose(self, where: Locator, item: str) -> None:
        """Choose an item of a chat's menu."""
        where.locator("[data-menu]").click()
        self.page.locator("#chat-menu").get_by_text(item, exact=True).click()


@contextmanager
def person(
    browser: Browser,
    installation: Installation,
    model: Model,
    session: Any = None,
    viewport: dict[str, int] = WIDE,
    at: str = "",
) -> Iterator[Person]:
    """Yield a user with an empty page. Without a session, sign in first, which opens the wall.

    `at` is another base URL of the installation.
    """
    with new_page(browser, viewport=viewport, storage_state=session) as tab:
        user = Person(tab, installation, model, at)
        if session is None:
            user.sign_in()
        yield user


@contextmanager
def another_tab(one: Person) -> Iterator[Person]:
    """Yield a second tab of the same user."""
    page = one.tab.context.new_page()
    tab = Tab(page, one.tab.context)
    page.on("console", lambda message: tab.note(message))
    page.on("pageerror", lambda error: tab.errors.append(str(error)))
    try:
        yield Person(tab, one.installation, one.model)
    finally:
        page.close()


def position(page: Page) -> int:
    """Return the scroll position of the messages, in pixels."""
    return int(page.locator("[data-scroller]").evaluate("one => one.scrollTop"))


def pixels_below(page: Page) -> int:
    """Return how many pixels of the messages are below the visible part."""
    return int(
        page.locator("[data-scroller]").evaluate(
            "one => one.scrollHeight - one.clientHeight - one.scrollTop"
        )
    )
