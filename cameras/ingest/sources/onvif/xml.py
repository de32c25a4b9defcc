"""XML of strangers: no entities, no document type, elements found by their name without prefix.

Firmware differs in prefixes and, for some elements, in namespaces; local names are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from xml.etree.ElementTree import Element, ParseError  # nosec B405  # defusedxml parses

from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

__all__ = ["Element", "NotXML", "all_named", "first", "parse", "text_of"]

MAX_TEXT = 4096  # characters of an element


class NotXML(ValueError):
    """What came is not well-formed XML, or holds entities or a document type."""


def parse(data: bytes) -> Element:
    """The root element. The caller bounds `data`. Raises `NotXML`."""
    try:
        root: Element = fromstring(data.strip(b"\0 \t\r\n"), forbid_dtd=True)
    except (ParseError, ValueError, LookupError):  # LookupError: an encoding nobody knows
        raise NotXML from None
    return root


def all_named(root: Element, name: str, most: int) -> Iterator[Element]:
    """At most `most` elements of this local name at or below `root`, in document order."""
    found = (each for each in root.iter() if each.tag.rpartition("}")[2] == name)
    return islice(found, most)


def first(root: Element, *path: str) -> Element | None:
    """The first element of the first name, in it the first of the second, and so on."""
    here: Element | None = root
    for name in path:
        if here is None:
            return None
        here = next(all_named(here, name, 1), None)
    return here


def text_of(root: Element, *path: str) -> str:
    """The stripped text of that element, cut to `MAX_TEXT`; empty where there is none."""
    element = first(root, *path)
    return "" if element is None else (element.text or "").strip()[:MAX_TEXT]
