"""Rendering of Markdown; tests/js/chat/markdown.test.js uses the same samples."""

from __future__ import annotations

import gc
import json
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chats import markdown
from chats.markdown import MAX_LENGTH, MAX_MARKUP, is_within_limits, plain, render

CORPUS = json.loads(Path(__file__).with_name("markdown_corpus.json").read_text())
TAGS = set(
    "a blockquote br button code div em figcaption figure h3 h4 h5 h6 hr li ol p pre s span strong"
    " table tbody td th thead tr ul".split()
)
ATTRIBUTES = {("a", "href"), ("a", "target"), ("a", "rel"), ("ol", "start")}
ATTRIBUTES |= {("button", "type"), ("button", "data-copy-code")}
ATTRIBUTES |= {(tag, "class") for tag in ("div", "figure", "ul", "ol", "th", "td", "pre")}


@pytest.mark.parametrize("sample", CORPUS, ids=lambda sample: str(sample["name"]))
def test_sample_renders_as_expected(sample: dict[str, str]) -> None:
    assert render(sample["text"]) == sample["html"]


class TagCollector(HTMLParser):
    """Collects the tags, attributes and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.links: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


@pytest.mark.parametrize("sample", CORPUS, ids=lambda sample: str(sample["name"]))
def test_nothing_in_a_sample_loads_or_runs(sample: dict[str, str]) -> None:
    found = TagCollector(render(sample["text"]))
    assert found.tags <= TAGS
    assert found.attributes <= ATTRIBUTES
    for link in found.links:
        outside = link.lower().startswith(("http://", "https://", "mailto:"))
        assert outside or (link.startswith("/") and not link.startswith(("//", "/\\")))


class RecordingCleaner:
    """Cleans, and records input and output."""

    def __init__(self) -> None:
        self.cleaner = markdown._cleaner
        self.pairs: list[tuple[str, str]] = []

    def clean(self, html: str) -> str:
        cleaned = self.cleaner.clean(html)
        if html.count("<") > 1:  # otherwise a link is checked, not a message rendered
            self.pairs.append((html, cleaned))
        return cleaned


def test_cleaner_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = RecordingCleaner()
    monkeypatch.setattr(markdown, "_cleaner", recording)
    for sample in CORPUS:
        render(sample["text"])
    assert len(recording.pairs) > 50
    for html, cleaned in recording.pairs:
        assert html.replace("\u00a0", "&nbsp;").replace("&#x27;", "'") == cleaned


def test_too_long_text_is_not_rendered() -> None:
    text = "*a* <b>\r\n" * (MAX_LENGTH // 8)
    shown = "*a* &lt;b&gt;\n" * (MAX_LENGTH // 8)
    assert render(text) == f'<pre class="plain"><code>{shown}</code></pre>'


def test_length_is_counted_in_utf16_units() -> None:
    assert render("\U0001f3c0" * (MAX_LENGTH // 2)).startswith("<p>")
    assert render("\U0001f3c0" * (MAX_LENGTH // 2 + 1)).startswith("<pre")


def test_lone_surrogate_is_replaced() -> None:
    assert render("a \ud83d b") == "<p>a ? b</p>"


HOSTILE = {
    "brackets": "[",
    "pictures": "![",
    "links": "[a](b ",
    "links with titles": '[a](b "',
    "pictures in links": "[![a](",
    "references": "[a][",
    "definitions": "[a]: <b\n",
    "quotes": "> ",
    "lists": "- ",
    "numbers": "1. ",
    "quotes in lists": "- > ",
    "stars": "*a ",
    "stars and lines": "a**b_c ",
    "tildes": "~~a ",
    "backticks": "`a``",
    "tags": "<a ",
    "addresses": "<a:b ",
    "links to addresses": "<http://a>",
    "links that are complete": "[a](/b)",
    "items": "- a\n",
    "paragraphs": "a\n\n",
    "emphasis": "*_a_* ",
    "underlines": "_a_ ",
    "comments": "<!--",
    "entities": "&#x",
    "backslashes": "\\",
    "table rows": "|a|\n|-|\n",
    "fences": "```\n",
    "line ends": "\n",
    "spaces": " ",
}


ORDINARY = (
    "The red team *passed* the ball. It was `3` to **2**, see [here](https://a.example/b).\n\n"
    "- one item\n- another\n\n"
)


def seconds(text: str) -> float:
    """Return the CPU seconds of rendering, the least of three."""
    times = []
    gc.disable()  # a collection would scan the objects of all earlier tests
    try:
        for _ in range(3):
            began = time.process_time()
            render(text)
            times.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(times)


def at_the_limit(piece: str) -> str:
    """Return the longest text of these pieces that is rendered."""
    count = MAX_LENGTH // len(piece)
    while not is_within_limits(piece * count):
        count = count * 99 // 100
    return piece * count


@pytest.mark.timing
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_little_longer_than_an_ordinary_one(piece: str) -> None:
    """At the limits it took 15 times as long."""
    ordinary = (ORDINARY * 1000)[:MAX_LENGTH]
    assert is_within_limits(ordinary)
    assert seconds(at_the_limit(piece)) < 4 * seconds(ordinary)
    assert seconds(piece * (MAX_LENGTH // len(piece))) < 4 * seconds(ordinary)


@pytest.mark.parametrize(("piece", "weight"), [("[", 8), ("a\r\n", 4), ("*", 1), ("<", 4)])
def test_text_with_too_much_markup_is_shown_as_it_was_written(piece: str, weight: int) -> None:
    text = piece * (MAX_MARKUP // weight)
    assert not render(text).startswith("<pre class")
    assert render(f"{text}|") == plain(f"{text}|")
    assert plain("[a](/b)\r\n<i>") == '<pre class="plain"><code>[a](/b)\n&lt;i&gt;</code></pre>'


def test_nesting_is_limited() -> None:
    deep = [">" * 5_000 + " a", "- " * 5_000 + "b", "[" * 2_000 + "x" + "](/y)" * 2_000]
    deep += ["![" * 2_000 + "x" + "](/y)" * 2_000, "*" * 5_000 + "x" + "*" * 5_000]
    deep += ["\n".join(" " * depth + "- a" for depth in range(600))]
    for text in deep:
        assert len(render(text)) < 40 * len(text)
