"""Hostile text of models and users in real Chromium: nothing is executed or requested."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Dialog, Request, expect

from tests import ROOT
from tests.e2e.chatting import Person
from tests.e2e.watching import RECORD_VIOLATIONS
from tests.endpoint import Model, Script

pytestmark = pytest.mark.extended
CORPUS = json.loads((ROOT / "tests/chats/markdown_corpus.json").read_text())
TEXTS = [one["text"] for one in CORPUS if one["text"].strip()]
PIECE = 9  # characters: tags and addresses come in parts, so that every beginning is shown
IN_A_CHAT = 11  # the longer a chat, the more its page costs
SHOWN = "() => [...document.querySelectorAll('[data-words]')].map((one) => one.innerHTML)"
STRANGE = """() => [...document.querySelectorAll("[data-messages] *")].filter((one) =>
    ["SCRIPT", "IMG", "IFRAME", "OBJECT", "EMBED", "STYLE", "LINK", "META", "SVG", "MATH", "VIDEO",
     "AUDIO", "BASE"].includes(one.tagName) && !one.closest("[data-foot]")
    || [...one.attributes].some(({name}) => name.startsWith("on") || name === "style")
    || one.href && !/^(https?:|mailto:)/.test(one.href)).map((one) => one.outerHTML)"""


@pytest.mark.timeout(300)
def test_hostile_text_executes_and_requests_nothing(keeper: Person, model: Model) -> None:
    page = keeper.page
    strangers: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(keeper.url + "/"):
            strangers.append(request.url)

    def opened(dialog: Dialog) -> None:
        strangers.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    keeper.tab.context.on("request", note)
    page.on("dialog", opened)
    page.add_init_script(RECORD_VIOLATIONS)
    for start in range(0, len(TEXTS), IN_A_CHAT):
        texts = TEXTS[start : start + IN_A_CHAT]
        page.goto(f"{keeper.url}/chats/new")
        for number, text in enumerate(texts, 1):
            pieces = tuple(text[at : at + PIECE] for at in range(0, len(text), PIECE))
            model.script = Script(pieces=pieces, pause=0.004)
            keeper.ask(text)
            expect(keeper.answers).to_have_count(number)
            keeper.wait_for_end()
        streamed = page.evaluate(SHOWN)
        assert len(streamed) == 2 * len(texts)
        assert page.evaluate(STRANGE) == []
        assert page.evaluate("window.happened") == []
        page.goto(page.url + "?all=1")
        for one, other in zip(streamed, page.evaluate(SHOWN), strict=True):
            assert one == other, "streamed and loaded differ"
        assert page.evaluate(STRANGE) == []
        assert page.evaluate("window.happened") == []
        assert page.locator("[data-list]").inner_html().count("<img") == 0
    assert strangers == []
    assert keeper.tab.errors == []
