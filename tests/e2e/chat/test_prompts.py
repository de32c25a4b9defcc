"""Refused prompts: they are kept, and the page shows the reason."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.chatting import Person, person
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.waiting import until

pytestmark = pytest.mark.extended


def test_refused_prompt_returns_to_the_field(keeper: Person, model: Model) -> None:
    page = keeper.page
    keeper.ask_in_new_chat("Hello")
    keeper.wait_for_end()

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
    keeper.wait_for_end()
    expect(keeper.field).to_have_value("")
    expect(said).to_be_hidden()


def test_too_long_prompt_is_refused_and_kept(keeper: Person) -> None:
    keeper.ask_in_new_chat("x" * 33_000)
    expect(keeper.page.get_by_role("alert")).to_contain_text("longer than 32,000 characters")
    assert len(keeper.field.input_value()) == 33_000


def test_page_follows_the_running_answer_after_a_conflict(keeper: Person, model: Model) -> None:
    """An API client sent a prompt meanwhile, and no tab knows of it."""
    keeper.ask_in_new_chat("Hello")
    keeper.wait_for_end()
    chat = keeper.page.url.rsplit("/", 1)[-1]
    model.script = Script(pieces=("Mine ", "first."), gate_at=1)
    with keeper.installation.api() as api:
        body = {"prompt": "From a program"}
        with api.stream("POST", f"/actions/chats/{chat}/messages", json=body) as other:
            events = other.iter_raw()  # kept: httpx hangs up when the iterator goes
            next(events)
            until(lambda: model.running == 1, 60, "the answer to run")
            keeper.ask("From the page")
            expect(keeper.page.get_by_role("alert")).to_contain_text("being answered")
            expect(keeper.words).to_have_text("Mine")
            expect(keeper.field).to_have_value("From the page")
            model.gate.set()
            keeper.wait_for_end()
    expect(keeper.words).to_have_text("Mine first.")


def test_page_asks_for_the_organization_of_a_new_chat(
    browser: Browser, club: Installation, model: Model
) -> None:
    script = (
        "from project.accounts.models import *\n"
        "from tests.cookies import create_session\n"
        "user = User.objects.create_user('two-clubs')\n"
        "annex = Organization.objects.create(name='Annex', slug='annex')\n"
        "for one in (annex, Organization.objects.get(slug='club')):\n"
        "    Membership.objects.create(user=user, organization=one, role='viewer')\n"
        "print('COOKIE' + create_session(user))"
    )
    value = club.manage("shell", "-v0", "-c", script).partition("COOKIE")[2].strip()
    cookie = {"name": "sideline_session", "value": value, "url": club.url}
    nobody: dict[str, list[object]] = {
        "cookies": [],
        "origins": [],
    }  # otherwise the keeper signs in
    with person(browser, club, model, nobody) as somebody:
        page = somebody.page
        somebody.tab.context.add_cookies([cookie])  # type: ignore[list-item]
        page.goto(f"{club.url}/chats/new")
        somebody.ask("Whose?")
        expect(page.get_by_label("For")).to_be_focused()
        expect(somebody.field).to_have_value("Whose?")
        expect(somebody.prompts).to_have_count(0)
        page.get_by_label("For").select_option("Club")
        somebody.field.press("Enter")
        somebody.wait_for_end()
        page.goto(f"{club.url}/chats")
        expect(somebody.row("Whose?")).to_contain_text("Club")
