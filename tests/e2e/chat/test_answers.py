"""From a prompt to its answer, in a real Chromium with a real server and a scripted model."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.chatting import A_CHAT, Person
from tests.e2e.watching import promised
from tests.endpoint import Model, Script
from tests.waiting import until

pytestmark = pytest.mark.extended


@promised(1)
def test_it_works(keeper: Person, model: Model, within: int) -> None:
    """From the wall to an answer with the keyboard, with all status messages."""
    page = keeper.page
    model.script = Script(pieces=("Based on ", "**what I know**", "."), gate_at=0)
    page.goto(keeper.url)
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile("/chats$"))
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/chats/new$"))
    expect(keeper.field).to_be_focused()
    page.keyboard.type("What plays worked well?")
    expect(page.locator("form[data-mode=send]")).to_be_visible()  # the scripts have come
    page.keyboard.press("Enter")
    asked = re.compile("What plays worked well?")
    expect(keeper.prompts).to_have_text(asked, timeout=within * 1000)
    expect(keeper.answers.locator(".pulse-dot")).to_be_visible()
    expect(page).to_have_url(A_CHAT)
    expect(keeper.stop).to_be_visible()
    waiting = page.get_by_text("Waiting for the first word of scripted")
    expect(waiting).to_be_visible(timeout=(within + 5) * 1000)  # it is said after three
    expect(page.locator("#spoken")).to_have_text("Answering.")
    expect(page).to_have_title("What plays worked well? · Sideline")
    model.gate.set()
    expect(keeper.words).to_have_text("Based on what I know.")
    expect(keeper.words.locator("strong")).to_have_text("what I know")
    keeper.wait_for_end()
    expect(keeper.answers.locator(".cost")).to_contain_text("7 + 3 tokens")
    expect(page.locator("#spoken")).to_have_text("The answer is complete.")
    expect(page.locator(".composer-note")).to_be_visible()
    link = page.get_by_role("link", name="What plays worked well?").first  # of this run
    expect(link).to_have_attribute("aria-current", "page")
    streamed = keeper.words.inner_html()
    page.reload()
    assert keeper.words.inner_html() == streamed, "loaded as it was streamed"
    assert keeper.tab.errors == []


def test_stopped_answer_keeps_its_text_and_can_be_continued(keeper: Person, model: Model) -> None:
    page = keeper.page
    model.script = Script(pieces=("Once upon", " a time"), gate_at=1)
    keeper.ask_in_new_chat("Tell me a story")
    expect(keeper.words).to_have_text("Once upon")
    keeper.field.press("Escape")
    expect(page.get_by_text("Stopped.", exact=True)).to_be_visible()
    until(lambda: model.running == 0, 60, "the model to be cancelled")
    expect(keeper.words).to_have_text("Once upon")
    model.script = Script(pieces=(" there was", " a goalie."))
    keeper.act("Continue")
    expect(keeper.words).to_have_text("Once upon there was a goalie.")
    keeper.wait_for_end()
    expect(keeper.answers).to_have_count(1)
    expect(keeper.answers.locator("[data-place]")).to_have_text("2 / 2")
    keeper.act("The one before")
    expect(keeper.words).to_have_text("Once upon")
    keeper.act("The one after")
    expect(keeper.words).to_have_text("Once upon there was a goalie.")
    assert keeper.tab.errors == []


def test_user_can_stop_before_the_first_token(keeper: Person, model: Model) -> None:
    model.script = Script(gate_at=0)
    keeper.ask_in_new_chat("Are you there?")
    keeper.stop.click()
    expect(keeper.page.get_by_text("Stopped.", exact=True)).to_be_visible()
    until(lambda: model.running == 0, 60, "the model to be cancelled")
    model.script = Script(pieces=("Here.",))
    keeper.act("Try again")
    expect(keeper.words).to_have_text("Here.")


def test_regenerated_answers_and_edited_prompts_can_be_browsed(
    keeper: Person, model: Model
) -> None:
    page = keeper.page
    model.script = lambda asked: Script(pieces=(f"To “{asked.prompt}”: {len(model.requests)}",))
    keeper.ask_in_new_chat("First")
    keeper.wait_for_end()
    keeper.ask("Second")
    expect(keeper.words).to_have_text("To “Second”: 2")
    keeper.wait_for_end()
    keeper.act("Answer again")
    expect(keeper.words).to_have_text("To “Second”: 3")
    keeper.wait_for_end()
    expect(keeper.answers.last.locator("[data-place]")).to_have_text("2 / 2")
    keeper.field.press("ArrowUp")
    editor = page.get_by_role("textbox", name="The message in other words")
    expect(editor).to_have_value("Second")
    editor.fill("Third")
    editor.press("Enter")
    expect(keeper.words).to_have_text("To “Third”: 4")
    keeper.wait_for_end()
    expect(keeper.prompts.last.locator("[data-place]")).to_have_text("2 / 2")
    keeper.prompts.last.get_by_role("button", name="The one before").click()
    expect(keeper.prompts.last.locator("[data-words]")).to_have_text("Second")
    expect(keeper.words).to_have_text("To “Second”: 3")
    expect(keeper.prompts.last.get_by_role("button", name="The one after")).to_be_focused()
    page.reload()
    expect(keeper.words).to_have_text("To “Second”: 3")


def test_failed_answer_shows_the_reason_and_can_be_retried(keeper: Person, model: Model) -> None:
    model.script = Script(status=500)
    keeper.ask_in_new_chat("Fail?")
    fault = keeper.answers.last.locator(".fault-failed")
    expect(fault).to_be_visible()
    assert re.search(r"[A-Z].*\.", fault.inner_text())
    model.script = Script(pieces=("Better.",))
    keeper.act("Try again")
    expect(keeper.words).to_have_text("Better.")
    keeper.wait_for_end()


def test_empty_response_is_reported(keeper: Person, model: Model) -> None:
    model.script = Script(pieces=())
    keeper.ask_in_new_chat("Nothing?")
    expect(keeper.page.locator(".toast")).to_have_text("Response was empty")
    expect(keeper.answers.last.locator(".fault")).to_contain_text("Response was empty")


def test_rating_with_a_reason_is_kept(keeper: Person) -> None:
    page = keeper.page
    keeper.ask_in_new_chat("Rate this")
    keeper.wait_for_end()
    keeper.act("Bad answer")
    page.get_by_role("textbox", name="Why? Optional").fill("Too vague")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You said: Too vague")).to_be_visible()
    page.reload()
    pressed = page.get_by_role("button", name="Bad answer")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    pressed.click()
    expect(pressed).to_have_attribute("aria-pressed", "false")


def test_copy_buttons_copy_the_source_text(keeper: Person, model: Model) -> None:
    model.script = Script(pieces=("Some **bold** and\n\n```py\nprint(1)\n```\n",))
    keeper.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keeper.ask_in_new_chat("Copy this")
    keeper.wait_for_end()
    keeper.act("Copy the answer")
    clipboard = "navigator.clipboard.readText()"
    until(lambda: keeper.page.evaluate(clipboard).startswith("Some **bold**"), 60, "the answer")
    keeper.page.get_by_role("button", name="Copy", exact=True).click()
    until(lambda: keeper.page.evaluate(clipboard) == "print(1)\n", 60, "the code")
