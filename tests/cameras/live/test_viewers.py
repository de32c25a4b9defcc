"""Viewers that are written to: full wires, credits, who left, and what is counted."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from cameras.live import formats as messages_module
from cameras.live.formats import FRESH_S
from cameras.live.frames import Status
from cameras.live.hub import Hub
from tests.cameras.live.sources import Camera, look, picture
from tests.cameras.live.wires import Paper, seed_on, v1_on


async def test_seed_viewer_who_joins_is_not_shown_an_old_picture(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(hub)
    await camera.say(picture(1))
    fresh, old = Paper(), Paper()
    seed_on(hub, fresh)
    now = time.monotonic()
    monkeypatch.setattr(messages_module.time, "monotonic", lambda: now + 10)
    seed_on(hub, old)
    assert (fresh.frames(), old.frames()) == ([1], [])


@pytest.mark.parametrize("age_s", [1, FRESH_S + 1])
async def test_picture_that_is_sent_again_is_as_old_as_it_is(
    hub: Hub, camera: Camera, age_s: float
) -> None:
    """The seed's format has no word for stale; the other one says the age."""
    seed, v1, late = Paper(), Paper(), Paper()
    seed_on(hub, seed)
    v1_on(hub, v1)
    await camera.say(picture(1, age_s))
    seed_on(hub, late)
    assert seed.frames() == late.frames() == ([1] if age_s < FRESH_S else [])
    assert v1.frames() == [1]
    (age,) = (int(age) for age in re.findall(rb'"age_ms":(\d+)', v1.written[0]))
    assert age >= age_s * 1000
    await camera.say(picture(2))
    assert seed.frames()[-1:] == late.frames()[-1:] == [2]


async def test_picture_that_grows_old_before_a_full_wire_is_left_out(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = Paper()
    seed_on(hub, paper)
    paper.full = True
    await camera.say(picture(1))
    now = time.monotonic()
    monkeypatch.setattr(messages_module.time, "monotonic", lambda: now + 10)
    paper.drain()
    assert paper.frames() == []


async def test_full_wire_gets_the_newest_when_it_has_room(hub: Hub, camera: Camera) -> None:
    slow, quick = Paper(), Paper()
    viewer = seed_on(hub, slow)
    seed_on(hub, quick)
    await camera.say(picture(1))
    slow.full = True
    await camera.say(picture(2), picture(3), picture(4))
    slow.drain()
    await camera.say(picture(5))
    assert slow.frames() == [1, 4, 5]
    assert quick.frames() == [1, 2, 3, 4, 5]
    assert (viewer.delivered, viewer.missed) == (3, 2)


async def test_v1_viewer_has_two_credits_and_is_told_what_it_missed(
    hub: Hub, camera: Camera
) -> None:
    paper = Paper()
    viewer = v1_on(hub, paper)
    await camera.say(*map(picture, range(1, 7)))
    assert paper.frames() == [1, 2]
    assert paper.at_once, "with no credit left it is heard as it speaks"
    viewer.hear(b'{"ack": 2}')
    assert paper.frames() == [1, 2, 6]
    assert paper.words() == [{"type": "dropped", "frames": 3}]


async def test_acknowledgements_are_read_when_credit_is_needed(hub: Hub, camera: Camera) -> None:
    paper = Paper()
    viewer = v1_on(hub, paper)
    for number in range(1, 10):
        await camera.say(picture(number))
        paper.said.append(b'{"ack": %d}' % number)
    assert paper.frames() == list(range(1, 10))
    assert not paper.at_once
    assert viewer.missed == 0


async def test_frame_that_waits_goes_out_when_credit_is_collected(hub: Hub, camera: Camera) -> None:
    paper = Paper()
    v1_on(hub, paper)
    await camera.say(*map(picture, range(1, 4)))
    assert paper.frames() == [1, 2]
    paper.said = [b'{"ack": 2}']
    async with asyncio.timeout(30):
        while paper.frames() != [1, 2, 3]:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("word", [b"{}", b"[]", b"null", b'{"ack": "1"}', b"\xff", b"x" * 99, "{"])
async def test_what_is_no_acknowledgement_gives_no_credit(
    hub: Hub, camera: Camera, word: bytes | str
) -> None:
    paper = Paper()
    viewer = v1_on(hub, paper)
    await camera.say(*map(picture, range(1, 4)))
    assert viewer.hear(word) is False
    assert viewer.hear(b'{"ack": 7}') is False
    assert paper.frames() == [1, 2]
    assert viewer.hear('{"ack":1,"more":true}') is True
    assert paper.frames() == [1, 2, 3]


async def test_status_goes_first_and_needs_no_credit(hub: Hub, camera: Camera) -> None:
    paper = Paper()
    v1_on(hub, paper)
    await camera.say(*map(picture, range(1, 4)), Status("stale", 9, "No picture for a while."))
    assert [word["type"] for word in paper.words()] == ["status"]
    paper.full = True
    await camera.say(Status("live", 10), picture(5), Status("stale", 11))
    paper.drain()
    assert [word["state"] for word in paper.words()] == ["stale", "stale"], "only the newest"


async def test_who_left_is_written_to_no_more_and_is_counted(hub: Hub, camera: Camera) -> None:
    paper = Paper()
    viewer = seed_on(hub, paper)
    await camera.say(picture(1))
    viewer.leave()
    viewer.leave()
    await camera.say(picture(2), Status("live", 1))
    paper.drain()
    assert paper.frames() == [1]
    assert hub.tallies["a"].delivered == {"seed": 1}


async def test_ages_at_delivery_are_counted_for_every_viewer(hub: Hub, camera: Camera) -> None:
    for _ in range(3):
        seed_on(hub, Paper())
    shown = picture(1, 0.07)
    await camera.say(shown)
    tally = hub.tallies["a"]
    assert sum(tally.ages) == 3
    assert sum(tally.ages[:3]) == 0
    assert 200 <= tally.age_ms <= 3 * (time.time() * 1000 - shown.arrived)
