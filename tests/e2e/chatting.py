"""A person in front of the chat pages, in a real Chromium."""

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
    """Signed in, with one tab."""

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
        """Where prompts are written."""
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def answers(self) -> Locator:
        return self.page.get_by_role("article", name="Assistant")

    @property
    def prompts(self) -> Locator:
        return self.page.get_by_role("article", name="You")

    @property
    def words(self) -> Locator:
        """Of the last answer."""
        return self.answers.last.locator("[data-words]")

    @property
    def stop(self) -> Locator:
        return self.page.get_by_role("button", name="Stop", exact=True)

    def ask(self, prompt: str) -> None:
        """At the end of the open chat."""
        self.field.fill(prompt)
        self.field.press("Enter")

    def ask_anew(self, prompt: str) -> None:
        """In a new chat."""
        self.page.goto(f"{self.url}/chats/new")
        self.ask(prompt)

    def is_over(self) -> None:
        """Wait until the last answer has ended, and all that is told of it is there."""
        expect(self.answers.last.locator(".cost")).to_be_visible()
        expect(self.page.get_by_role("button", name="Send", exact=True)).to_be_visible()

    def act(self, name: str) -> None:
        """Press a button of the last answer."""
        self.answers.last.get_by_role("button", name=name, exact=True).first.click()

    def row(self, title: str) -> Locator:
        """A chat in the list."""
        return self.page.locator(".chat-row", has_text=title)

    def choose(self, where: Locator, item: str) -> None:
        """Something in a chat's menu."""
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
    """Somebody with an empty page, signed in as the session says; without one, at the wall.

    `at` is another address of the installation.
    """
    with new_page(browser, viewport=viewport, storage_state=session) as tab:
        somebody = Person(tab, installation, model, at)
        if session is None:
            somebody.sign_in()
        yield somebody


@contextmanager
def another_tab(one: Person) -> Iterator[Person]:
    """The same person's second tab."""
    page = one.tab.context.new_page()
    tab = Tab(page, one.tab.context)
    page.on("console", lambda message: tab.note(message))
    page.on("pageerror", lambda error: tab.errors.append(str(error)))
    try:
        yield Person(tab, one.installation, one.model)
    finally:
        page.close()


def position(page: Page) -> int:
    """Where the messages are scrolled to, in pixels."""
    return int(page.locator("[data-scroller]").evaluate("one => one.scrollTop"))


def left_below(page: Page) -> int:
    """Pixels of the messages below what is in view."""
    return int(
        page.locator("[data-scroller]").evaluate(
            "one => one.scrollHeight - one.clientHeight - one.scrollTop"
        )
    )
