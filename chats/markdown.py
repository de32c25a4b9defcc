"""Renders a message's Markdown as HTML, with the same structure that static/js/chat/ builds.

Both parse the same grammar with the same limits: CommonMark, tables and strikethrough. HTML is
shown as text, images are never loaded, and links that are not permitted stay plain text. The
result passes nh3, which only keeps the tags and attributes listed here.
"""

from __future__ import annotations

import re
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING

import nh3
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.rules_inline import escape as escaping

if TYPE_CHECKING:
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token


MAX_LENGTH = 64 * 1024  # UTF-16 units, as the page counts; longer texts are not rendered
# Nor are texts with more markup: each bracket may begin a link, each line a block. This bounds the
# time to about twice that of an ordinary text of `MAX_LENGTH`; 64,000 brackets took a second.
MAX_MARKUP = 24_000
_WEIGHTS = {"[": 8, "\n": 4, "<": 4} | dict.fromkeys("]*_~`|&\\", 1)
# Of the HTML that `render` returns: with another one, kept HTML is rendered anew.
VERSION = f"1 {version('markdown-it-py')} {version('nh3')}"
NESTING = 20  # levels of blocks and of inline markup, each
_EXTERNAL = re.compile(r"https?:", re.IGNORECASE)
_LABEL = re.compile(r"[ \t]*([\w+#.-]{1,32})", re.ASCII)
_ALIGNMENT = re.compile(r"text-align:(left|center|right)")
_INVISIBLE = str.maketrans({"\0": "\ufffd", "\ufeff": None})
_EDGES = (  # whitespace of JavaScript or Python
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

_BLOCKS = {"paragraph": "p", "blockquote": "blockquote", "list_item": "li"} | {
    name: name for name in ("thead", "tbody", "tr", "th", "td")
}
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
_INLINES = {"em": "em", "strong": "strong", "s": "s"}
_LISTS = {"bullet_list": "ul", "ordered_list": "ol"}
REL = "noopener noreferrer nofollow"
_PERMITTED = re.compile(r"(?:https?://|mailto:|/(?![/\\]))[!-\[\]-~]*", re.IGNORECASE)

_cleaner = nh3.Cleaner(
    tags={"a", "blockquote", "br", "button", "code", "div", "em", "figcaption", "figure", "hr"}
    | {"h3", "h4", "h5", "h6", "li", "ol", "p", "pre", "s", "span", "strong", "ul"}
    | {"table", "thead", "tbody", "tr", "th", "td"},
    clean_content_tags={"script", "style"},
    attributes={"a": {"href"}, "button": {"data-copy-code"}, "ol": {"start"}},
    tag_attribute_values={"a": {"target": {"_blank"}}, "button": {"type": {"button"}}},
    allowed_classes={
        "div": {"table"},
        "figure": {"code"},
        "ol": {"tight"},
        "ul": {"tight"},
        "th": {"align-left", "align-center", "align-right"},
        "td": {"align-left", "align-center", "align-right"},
    },
    url_schemes={"http", "https", "mailto"},
    link_rel=REL,
)


def clean(html: str) -> str:
    """Return the HTML without tags and attributes that are not listed here."""
    return _cleaner.clean(html)


def is_permitted(href: str) -> bool:
    """Whether a normalised link leads to the web, to mail or to a page of this site."""
    if _PERMITTED.fullmatch(href) is None:
        return False
    return href in _cleaner.clean(f'<a href="{escape(href)}">').replace("&amp;", "&")


def _escape(state: StateInline, silent: bool) -> bool:
    """Escape rule that ignores a backslash before a space.

    The default rule consumes the space, so that two trailing spaces make no line break.
    """
    return not state.src.startswith(" ", state.pos + 1) and escaping(state, silent)


class _Markdown(MarkdownIt):
    """Parses the blocks of a text; `_structure` parses their inline content."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": NESTING})
        self.enable(["table", "strikethrough"])
        self.core.ruler.disable(["inline", "text_join"])
        self.inline.ruler.at("escape", _escape)

    def validateLink(self, url: str) -> bool:
        return is_permitted(url)


_markdown = _Markdown()


def render(text: str) -> SafeString:
    """Return the HTML of a message. Not for the event loop: 2 ms per KB, at worst 5."""
    if not is_within_limits(text):
        return plain(text)
    cleaned = clean(_structure(_well_formed(text).translate(_INVISIBLE)))
    return SafeString(cleaned)  # nosec B703  # by nh3


def is_within_limits(text: str) -> bool:
    """Whether `render` parses the text; if not, it is shown as it was written."""
    if len(_well_formed(text).encode("utf-16-le")) > 2 * MAX_LENGTH:
        return False
    return markup_in(text) <= MAX_MARKUP


def markup_in(text: str) -> int:
    """Return how much markup a text has, by which the time to render it grows."""
    lines = _with_unix_line_ends(text)
    return sum(weight * lines.count(each) for each, weight in _WEIGHTS.items())


def plain(text: str) -> SafeString:
    """Return the HTML of a text as it was written."""
    shown = _with_unix_line_ends(_well_formed(text)).translate(_INVISIBLE)
    return SafeString(  # nosec B703  # escaped here
        f'<pre class="plain"><code>{escape(shown, False)}</code></pre>'
    )


def _well_formed(text: str) -> str:
    """Replace lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def _with_unix_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _structure(source: str) -> str:
    """Return the HTML before it is cleaned."""
    env: dict[str, object] = {}
    tokens = _markdown.parse(source, env)
    lists = _list_openings(tokens)
    parts: list[str] = []
    for index, token in enumerate(tokens):
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if token.type == "inline":
            children: list[Token] = []
            _markdown.inline.parse(token.content.strip(_EDGES), _markdown, env, children)
            parts.append(_inlines(children))
        elif kind in _LISTS:
            parts.append(lists[index] if token.nesting == 1 else f"</{_LISTS[kind]}>")
        elif kind in ("fence", "code_block"):
            parts.append(_figure(token.content, token.info))
        elif kind == "table":
            parts.append('<div class="table"><table>' if token.nesting == 1 else "</table></div>")
        elif kind == "hr":
            parts.append("<hr>")
        else:
            tag = _HEADINGS[token.tag] if kind == "heading" else _BLOCKS[kind]
            parts.append(f"<{tag}{_alignment(token)}>" if token.nesting == 1 else f"</{tag}>")
    return "".join(parts)


def _list_openings(tokens: list[Token]) -> dict[int, str]:
    """Return the opening tags of lists by token index; their class depends on their content."""
    openings: dict[int, str] = {}
    parents: list[int] = []
    loose: set[int] = set()
    for index, token in enumerate(tokens):
        if token.nesting == 1:
            if token.type == "paragraph_open" and not token.hidden and len(parents) > 1:
                loose.add(parents[-2])  # the list, if the paragraph is directly in an item
            parents.append(index)
        elif token.nesting == -1:
            opened = parents.pop()
            tag = _LISTS.get(tokens[opened].type.removesuffix("_open"))
            if tag is not None:
                start = tokens[opened].attrGet("start")
                tight = "" if opened in loose else ' class="tight"'
                number = "" if start is None else f' start="{start}"'
                openings[opened] = f"<{tag}{tight}{number}>"
    return openings


def _alignment(token: Token) -> str:
    side = _ALIGNMENT.fullmatch(str(token.attrGet("style") or ""))
    return f' class="align-{side[1]}"' if side else ""


def _figure(code: str, info: str) -> str:
    label = _LABEL.match(info)
    return (
        f'<figure class="code"><figcaption><span>{label[1] if label else "Code"}</span>'
        '<button type="button" data-copy-code="">Copy</button></figcaption>'
        f"<pre><code>{escape(code, False)}</code></pre></figure>"
    )


def _inlines(tokens: list[Token]) -> str:
    parts: list[str] = []
    links: list[bool] = []  # of the open links: whether they are permitted
    for token in tokens:
        if token.type == "link_open":
            opening = "" if links else _anchor(str(token.attrGet("href") or ""))
            links.append(bool(opening))
            parts.append(opening)
        elif token.type == "link_close":
            parts.append("</a>" if links.pop() else "")
        elif token.type == "image":
            opening = "" if links else _anchor(str(token.attrGet("src") or ""))
            label = escape(_alt_text(token.children or []) or "Image", False)
            parts.append(f"{opening}{label}</a>" if opening else label)
        elif token.type == "code_inline":
            parts.append(f"<code>{escape(token.content, False)}</code>")
        elif token.type == "hardbreak":
            parts.append("<br>")
        elif token.type == "softbreak":
            parts.append("\n")
        elif token.nesting:
            tag = _INLINES[token.type.removesuffix("_open").removesuffix("_close")]
            parts.append(f"<{tag}>" if token.nesting == 1 else f"</{tag}>")
        else:
            parts.append(escape(token.content, False))
    return "".join(parts)


def _anchor(href: str) -> str:
    if not is_permitted(href):
        return ""
    target = ' target="_blank"' if _EXTERNAL.match(href) else ""
    return f'<a href="{escape(href)}"{target} rel="{REL}">'


def _alt_text(tokens: list[Token]) -> str:
    """Return an image's description as plain text."""
    return "".join(
        _alt_text(token.children or [])
        if token.type == "image"
        else (" " if token.type in ("softbreak", "hardbreak") else token.content)
        for token in tokens
    )
