"""The list of chats: actions on one chat, on all chats, and the search."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.chatting import Person
from tests.endpoint import Model, Script

pytestmark = pytest.mark.extended


def test_user_can_rename_pin_archive_delete_and_restore_chats(keeper: Person) -> None:
    page = keeper.page
    keeper.ask_in_new_chat("Alpha question")
    keeper.wait_for_end()
    keeper.ask_in_new_chat("Beta question")
    keeper.wait_for_end()
    keeper.choose(page.locator(".chat-head"), "Rename")
    page.keyboard.type("Gamma")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Gamma")).to_be_visible()
    expect(keeper.row("Gamma")).to_be_visible()
    keeper.choose(keeper.row("Alpha question"), "Pin to the top")
    expect(page.locator(".chat-row").first).to_contain_text("Alpha question")
    keeper.choose(keeper.row("Alpha question"), "Archive")
    expect(keeper.row("Alpha question")).to_have_count(0)
    page.get_by_role("link", name="Archived", exact=True).click()
    keeper.choose(keeper.row("Alpha question"), "Take out of the archive")
    expect(keeper.row("Alpha question")).to_have_count(0)
    page.get_by_role("link", name="Back to the others").click()
    keeper.choose(keeper.row("Gamma"), "Delete")
    expect(keeper.row("Gamma")).to_have_count(0)
    expect(page.get_by_text("This chat is deleted")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(keeper.row("Gamma")).to_be_visible()
    expect(keeper.words).to_be_visible()
    assert keeper.tab.errors == []


def test_search_updates_while_typing(keeper: Person, model: Model) -> None:
    page = keeper.page
    model.script = Script(pieces=("The zamboni is late.",))
    keeper.ask_in_new_chat("Ice?")
    keeper.wait_for_end()
    page.goto(f"{keeper.installation.url}/chats")
    page.keyboard.press("/")
    page.keyboard.type("zamb")
    expect(page.locator(".chat-row")).to_have_count(1)
    expect(page.locator(".chat-row")).to_contain_text("The zamboni is late.")
    page.keyboard.type("xxx")
    expect(page.get_by_text("Nothing found")).to_be_visible()


def test_user_can_delete_all_chats_after_confirming(keeper: Person) -> None:
    page = keeper.page
    keeper.ask_in_new_chat("Soon gone")
    keeper.wait_for_end()
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(keeper.row("Soon gone")).to_be_visible()
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete all").click()
    expect(page.get_by_text("No chats yet.")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("deleted")
