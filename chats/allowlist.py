"""What of a message's HTML reaches a page: these tags, attributes, classes and links, no others."""

from __future__ import annotations

import re
from html import escape

import nh3

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
    """The HTML without what is not listed here."""
    return _cleaner.clean(html)


def permitted(href: str) -> bool:
    """Whether a link, normalised by the parser, leads to the web, mail or a page of this site."""
    if _PERMITTED.fullmatch(href) is None:
        return False
    return href in _cleaner.clean(f'<a href="{escape(href)}">').replace("&amp;", "&")
