"""The seed document's own chat client, unchanged, in Node and in a page of another origin."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from tests.browser import new_page
from tests.chats.talking import ChatClient, chat_installation
from tests.endpoint import Model, Script, endpoint
from tests.installation import Installation
from tests.seed.programs import SEED, Site, another_site

PIECES = ("Based on", " your session data,", " the most effective", " plays were …")
FIFTY_KB = "".join(f"Line {n}: “quoted”, \\escaped\\, wörds and 日本語.\n" for n in range(1100))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with another_site() as serving:
        yield serving


@pytest.fixture(scope="module")
def scripted() -> Iterator[Model]:
    with endpoint() as model:
        yield model


@pytest.fixture(scope="module")
def club(
    scripted: Model, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("seedchat")
    with chat_installation(
        folder, scripted, SIDELINE_TRUSTED_ORIGINS=site.origin("localhost")
    ) as installation:
        yield installation


@pytest.fixture
def model(scripted: Model) -> Model:
    scripted.script = Script(pieces=PIECES, pause=0.03)
    return scripted


@pytest.fixture
def keeper(club: Installation, model: Model) -> Iterator[ChatClient]:
    with ChatClient(club) as talker:
        yield talker


BASES = ["", "/api/v1/actions"]


def request_of(
    club: Installation, keeper: ChatClient, base: str, chat: str, **more: str
) -> dict[str, str]:
    return {
        "base": club.url + base,
        "read": f"{club.url}/api/v1/actions/chats",
        "chat": chat,
        "token": str(keeper.api.headers["Authorization"]).removeprefix("Bearer "),
        "prompt": "What plays worked well last game?",
        **more,
    }


def in_node(request: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(SEED / "ask.mjs"), json.dumps(request)],
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("base", BASES)
def test_seed_client_in_node(club: Installation, keeper: ChatClient, base: str) -> None:
    chat = keeper.chat()
    result = in_node(request_of(club, keeper, base, chat))
    assert result["final"] == "".join(PIECES)
    assert result["error"] is None
    assert result["toasts"] == []
    assert result["chat"]["messages"] == [
        {"role": "user", "content": "What plays worked well last game?"},
        {"role": "assistant", "content": "".join(PIECES)},
    ]
    assert keeper.last(chat)["content"] == "".join(PIECES)


@pytest.mark.extended
@pytest.mark.parametrize("base", BASES)
def test_seed_client_in_a_page_of_another_origin(
    club: Installation, keeper: ChatClient, site: Site, browser: Browser, base: str
) -> None:
    address = (
        f"{site.origin()}/chat.html?{urlencode(request_of(club, keeper, base, keeper.chat()))}"
    )
    with new_page(browser) as tab:
        tab.page.goto(address)
        tab.page.wait_for_function("window.over", timeout=60_000)
        kept = tab.page.evaluate("window.kept")
        assert kept["final"] == "".join(PIECES)
        assert kept["toasts"] == []
        assert tab.page.evaluate("window.fault") is None
        assert tab.errors == []


WHOLE_AND_SPLIT = (
    Script(pieces=(FIFTY_KB,)),
    Script(pieces=tuple(FIFTY_KB[n : n + 40] for n in range(0, len(FIFTY_KB), 40)), pause=0.001),
)


def test_seed_parser_on_fifty_kilobytes(
    club: Installation, keeper: ChatClient, model: Model
) -> None:
    """It has no line buffer: it would ignore an event that is split in two, and lose its text."""
    assert len(FIFTY_KB.encode()) > 50_000
    for script in WHOLE_AND_SPLIT:
        model.script = script
        assert in_node(request_of(club, keeper, "", keeper.chat()))["final"] == FIFTY_KB


@pytest.mark.extended
def test_seed_parser_on_fifty_kilobytes_in_a_page(
    club: Installation, keeper: ChatClient, model: Model, site: Site, browser: Browser
) -> None:
    for script in WHOLE_AND_SPLIT:
        model.script = script
        query = urlencode(request_of(club, keeper, "", keeper.chat()))
        with new_page(browser) as tab:
            tab.page.goto(f"{site.origin()}/chat.html?{query}")
            tab.page.wait_for_function("window.over", timeout=60_000)
            assert tab.page.evaluate("window.kept.final") == FIFTY_KB


def test_seed_chat_client_receives_error_statuses(club: Installation, keeper: ChatClient) -> None:
    result = in_node(request_of(club, keeper, "", keeper.chat(), prompt=""))
    assert result["error"] == "Stream error: 400"
    request = request_of(club, keeper, "", keeper.chat())
    result = in_node(request | {"token": "undefined", "reader": request["token"]})
    assert result["error"] == "Stream error: 401"


def test_seed_chat_client_reports_an_empty_answer(
    club: Installation, keeper: ChatClient, model: Model
) -> None:
    model.script = Script(pieces=())
    assert in_node(request_of(club, keeper, "", keeper.chat()))["toasts"] == ["Response was empty"]
