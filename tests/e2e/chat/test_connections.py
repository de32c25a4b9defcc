"""Reloads, second tabs, cut connections and a killed server lose and repeat no text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.chats.talking import ChatClient, chat_installation
from tests.e2e.chatting import Person, another_tab, person
from tests.endpoint import FIXED, Model, Script, endpoint
from tests.installation import Installation
from tests.waiting import until
from tests.wire import Wire

pytestmark = pytest.mark.extended
RECONNECTING = re.compile("^Reconnecting")  # the number of the attempt changes meanwhile


def test_reload_and_second_tab_end_with_the_same_text(keeper: Person, model: Model) -> None:
    page = keeper.page
    pieces = ("Two of ", "*these*", " words", " and a [link](/cameras)", " come", " later.")
    model.script = Script(pieces=pieces, gate_at=3)
    keeper.ask_in_new_chat("Words?")
    expect(keeper.words).to_have_text("Two of these words")
    with another_tab(keeper) as second:
        second.page.goto(page.url)
        expect(second.words).to_have_text("Two of these words")
        page.reload()
        expect(keeper.words).to_have_text("Two of these words")
        expect(keeper.stop).to_be_visible()
        model.gate.set()
        for one in (keeper, second):
            one.wait_for_end()
            expect(one.words).to_have_text("Two of these words and a link come later.")
        assert keeper.words.inner_html() == second.words.inner_html()
        assert second.tab.errors == []
    assert len(model.requests) == 1


_EVENT_SOURCE = """
address => {
  window.opened = 0;
  window.received = [];
  window.source = new EventSource(address);
  source.onopen = () => { window.opened += 1; };
  source.onmessage = event => received.push([event.lastEventId, event.data]);
}
"""


def test_event_source_of_a_browser_stops_after_the_answer(keeper: Person, model: Model) -> None:
    """It reconnects after every end of a stream, until a response is 204."""
    model.script = Script(pieces=("One", " by", " one."), gate_at=2)
    page = keeper.page
    keeper.ask_in_new_chat("Once?")
    expect(keeper.words).to_have_text("One by")
    chat = page.url.rsplit("/", 1)[-1]
    with ChatClient(keeper.installation) as client:
        address = f"/api/v1/actions/chats/{chat}/messages/{client.last(chat)['id']}/events"
    page.evaluate(_EVENT_SOURCE, address)
    until(lambda: page.evaluate("() => received.length") >= 2)
    model.gate.set()
    until(lambda: page.evaluate("() => source.readyState === EventSource.CLOSED"), 60)
    received = page.evaluate("() => received")
    assert [int(number) for number, _ in received] == list(range(1, len(received) + 1))
    events = [json.loads(data) for _, data in received]
    assert events[-1] == {"type": "done", "status": "complete"}
    assert "".join(event.get("text", "") for event in events) == "One by one."
    assert page.evaluate("() => opened") == 1


def test_prompt_of_one_tab_appears_in_the_other(keeper: Person, model: Model) -> None:
    keeper.ask_in_new_chat("Hello")
    keeper.wait_for_end()
    with another_tab(keeper) as second:
        second.page.goto(keeper.page.url)
        model.script = Script(pieces=("As it ", "comes."), gate_at=1)
        keeper.ask("And now?")
        expect(second.prompts).to_have_count(2)
        expect(second.words).to_have_text("As it")
        second.stop.click()
        expect(keeper.page.get_by_text("Stopped.", exact=True)).to_be_visible()


def test_page_reconnects_after_a_cut_connection(
    browser: Browser, club: Installation, model: Model, session: Any
) -> None:
    model.script = Script(pieces=("Before", " and", " after."), gate_at=2)
    with (
        Wire(club.port).running() as wire,
        person(browser, club, model, session, at=wire.url) as somebody,
    ):
        somebody.ask_in_new_chat("Cut?")
        expect(somebody.words).to_have_text("Before and")
        wire.cut()
        expect(somebody.page.get_by_text(RECONNECTING)).to_be_visible()
        model.gate.set()
        wire.mend()
        somebody.wait_for_end()
        expect(somebody.words).to_have_text("Before and after.")
        assert len(model.requests) == 1


def test_unsent_prompt_can_be_cancelled(
    browser: Browser, club: Installation, model: Model, session: Any
) -> None:
    with (
        Wire(club.port).running() as wire,
        person(browser, club, model, session, at=wire.url) as somebody,
    ):
        somebody.page.goto(f"{wire.url}/chats/new")
        wire.cut()
        somebody.ask("Nobody hears")
        expect(somebody.prompts).to_have_count(1)
        expect(somebody.page.get_by_text(RECONNECTING)).to_be_visible()
        somebody.stop.click()
        expect(somebody.field).to_have_value("Nobody hears")
        expect(somebody.prompts).to_have_count(0)
        wire.mend()
        somebody.field.press("Enter")
        somebody.wait_for_end()
        assert len(model.requests) == 1


def test_shown_text_survives_a_killed_server(browser: Browser, folder: Path) -> None:
    with endpoint() as model, chat_installation(folder, model) as installation:
        model.script = Script(pieces=("Kept", " words", " lost"), gate_at=2)
        with person(browser, installation, model) as somebody:
            page = somebody.page
            somebody.ask_in_new_chat("Are you safe?")
            expect(somebody.words).to_have_text("Kept words")
            chat = page.url.rsplit("/", 1)[-1]
            with ChatClient(installation) as client:
                until(lambda: client.last(chat)["content"] == "Kept words", 60, "words in the rows")
            installation.processes[-1].kill()
            expect(page.get_by_text(RECONNECTING)).to_be_visible()
            installation.serve()
            expect(page.locator(".fault-failed")).to_contain_text(
                "server was stopped", timeout=60_000
            )
            expect(somebody.words).to_have_text("Kept words")
            model.script = Script(pieces=(" and more.",))
            somebody.act("Continue")
            expect(somebody.words).to_have_text("Kept words and more.")
            somebody.wait_for_end()


def test_lost_response_does_not_repeat_the_prompt(keeper: Person, model: Model) -> None:
    """The server stores the prompt, and the connection breaks before the response."""
    lost: list[str] = []

    def lose(route: Route) -> None:
        lost.append(route.request.headers["idempotency-key"])
        if len(lost) > 1:
            return route.continue_()
        route.fetch()
        route.abort("connectionreset")

    keeper.page.route(re.compile("/messages$"), lose)
    keeper.ask_in_new_chat("Only once")
    expect(keeper.words).to_have_text(FIXED)
    keeper.wait_for_end()
    assert len(lost) == 2
    assert lost[0] == lost[1]
    assert len(model.requests) == 1
    keeper.page.reload()
    expect(keeper.prompts).to_have_count(1)
