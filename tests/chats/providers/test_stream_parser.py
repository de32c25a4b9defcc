"""Bytes into events, and their text made fit for storing."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from chats.providers.base import Cleaner, InvalidResponse, clean
from chats.providers.stream_parser import MAX_EVENT, EventParser


def fed(chunks: Iterable[bytes]) -> list[bytes]:
    """The events of a body that comes in these chunks."""
    events = EventParser()
    return [data for chunk in chunks for data in events.feed(chunk)] + events.end()


def test_any_cut_of_the_bytes_gives_the_same_events() -> None:
    body = (
        ": comment\r\n\r\ndata: Grüße\r\ndata: 🏉\r\n\r\ndata:x\n\ndata: \n\nevent: y\rdata: z\r\r"
    ).encode()
    expected = ["Grüße\n🏉".encode(), b"x", b"z"]
    assert fed([body]) == expected
    chance = random.Random(4)
    for step in [1, 2, 3, *(chance.randint(4, 20) for _ in range(30))]:
        assert fed(body[at : at + step] for at in range(0, len(body), step)) == expected


@pytest.mark.parametrize("line", [b"x" * (MAX_EVENT + 1), b"data: " + b"x" * MAX_EVENT + b"x"])
def test_a_line_without_an_end_is_nonsense_before_it_fills_the_memory(line: bytes) -> None:
    with pytest.raises(InvalidResponse):
        fed(line[at : at + 4096] for at in range(0, len(line), 4096))


def test_an_event_of_endless_lines_is_nonsense() -> None:
    with pytest.raises(InvalidResponse):
        fed(b"data: " + b"x" * 4096 + b"\n" for _ in range(300))


def test_text_is_made_fit_for_storing() -> None:
    assert clean("a\x00b\ud800c\udc00") == "a\ufffdb\ufffdc\ufffd"
    assert clean("\ud83c\udfc9") == "🏉"
    cleaner = Cleaner()
    shown = [cleaner.feed(text) for text in ("try \ud83c", "\udfc9!", "\ud83c", "x", "\ud83c")]
    assert (shown, cleaner.end()) == (["try ", "🏉!", "", "\ufffdx", ""], "\ufffd")
