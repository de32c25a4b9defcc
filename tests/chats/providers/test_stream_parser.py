"""Parsing of event streams, and cleaning of their text."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from chats.providers.base import Cleaner, InvalidResponse, clean
from chats.providers.stream_parser import MAX_EVENT, EventParser


def parse(chunks: Iterable[bytes]) -> list[bytes]:
    """Return the events of a body that arrives in these chunks."""
    events = EventParser()
    return [data for chunk in chunks for data in events.feed(chunk)] + events.end()


def test_chunk_boundaries_do_not_change_the_events() -> None:
    body = (
        ": comment\r\n\r\ndata: Grüße\r\ndata: 🏉\r\n\r\ndata:x\n\ndata: \n\nevent: y\rdata: z\r\r"
    ).encode()
    expected = ["Grüße\n🏉".encode(), b"x", b"z"]
    assert parse([body]) == expected
    generator = random.Random(4)
    for step in [1, 2, 3, *(generator.randint(4, 20) for _ in range(30))]:
        assert parse(body[at : at + step] for at in range(0, len(body), step)) == expected


@pytest.mark.parametrize("line", [b"x" * (MAX_EVENT + 1), b"data: " + b"x" * MAX_EVENT + b"x"])
def test_endless_line_is_rejected_early(line: bytes) -> None:
    with pytest.raises(InvalidResponse):
        parse(line[at : at + 4096] for at in range(0, len(line), 4096))


def test_endless_event_is_rejected() -> None:
    with pytest.raises(InvalidResponse):
        parse(b"data: " + b"x" * 4096 + b"\n" for _ in range(300))


def test_text_is_cleaned_for_storage() -> None:
    assert clean("a\x00b\ud800c\udc00") == "a\ufffdb\ufffdc\ufffd"
    assert clean("\ud83c\udfc9") == "🏉"
    cleaner = Cleaner()
    pieces = [cleaner.feed(text) for text in ("try \ud83c", "\udfc9!", "\ud83c", "x", "\ud83c")]
    assert (pieces, cleaner.end()) == (["try ", "🏉!", "", "\ufffdx", ""], "\ufffd")
