"""Viewers with a writer: backpressure, credits, leaving, and counters."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from cameras.live import frames
from cameras.live.frames import FRESH_S, Status
from cameras.live.hub import Hub
from tests.cameras.live.recording_writer import RecordingWriter, join_seed, join_v1
from tests.cameras.live.sources import Camera, join, picture


async def test_new_seed_viewer_does_not_get_an_old_picture(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    join(hub)
    await camera.send(picture(1))
    fresh, old = RecordingWriter(), RecordingWriter()
    join_seed(hub, fresh)
    now = time.monotonic()
    monkeypatch.setattr(frames.time, "monotonic", lambda: now + 10)
    join_seed(hub, old)
    assert (fresh.frames(), old.frames()) == ([1], [])


@pytest.mark.parametrize("age_s", [1, FRESH_S + 1])
async def test_picture_sent_later_keeps_its_age(hub: Hub, camera: Camera, age_s: float) -> None:
    """The seed's format cannot tell that a picture is old; `sideline.v1` has its age."""
    seed, v1, late = RecordingWriter(), RecordingWriter(), RecordingWriter()
    join_seed(hub, seed)
    join_v1(hub, v1)
    await camera.send(picture(1, age_s))
    join_seed(hub, late)
    assert seed.frames() == late.frames() == ([1] if age_s < FRESH_S else [])
    assert v1.frames() == [1]
    (age,) = (int(age) for age in re.findall(rb'"age_ms":(\d+)', v1.written[0]))
    assert age >= age_s * 1000
    await camera.send(picture(2))
    assert seed.frames()[-1:] == late.frames()[-1:] == [2]


async def test_picture_that_becomes_old_while_the_writer_is_full_is_dropped(
    hub: Hub, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RecordingWriter()
    join_seed(hub, writer)
    writer.is_full = True
    await camera.send(picture(1))
    now = time.monotonic()
    monkeypatch.setattr(frames.time, "monotonic", lambda: now + 10)
    writer.drain()
    assert writer.frames() == []


async def test_full_writer_gets_the_newest_frame_when_ready(hub: Hub, camera: Camera) -> None:
    slow, quick = RecordingWriter(), RecordingWriter()
    viewer = join_seed(hub, slow)
    join_seed(hub, quick)
    await camera.send(picture(1))
    slow.is_full = True
    await camera.send(picture(2), picture(3), picture(4))
    slow.drain()
    await camera.send(picture(5))
    assert slow.frames() == [1, 4, 5]
    assert quick.frames() == [1, 2, 3, 4, 5]
    assert (viewer.delivered, viewer.missed) == (3, 2)


async def test_v1_viewer_has_two_credits_and_gets_the_number_of_dropped_frames(
    hub: Hub, camera: Camera
) -> None:
    writer = RecordingWriter()
    viewer = join_v1(hub, writer)
    await camera.send(*map(picture, range(1, 7)))
    assert writer.frames() == [1, 2]
    assert writer.auto_read, "without credit, acknowledgements are read as they arrive"
    viewer.receive(b'{"ack": 2}')
    assert writer.frames() == [1, 2, 6]
    assert writer.texts() == [{"type": "dropped", "frames": 3}]


async def test_acknowledgements_are_read_when_credit_is_needed(hub: Hub, camera: Camera) -> None:
    writer = RecordingWriter()
    viewer = join_v1(hub, writer)
    for number in range(1, 10):
        await camera.send(picture(number))
        writer.unread.append(b'{"ack": %d}' % number)
    assert writer.frames() == list(range(1, 10))
    assert not writer.auto_read
    assert viewer.missed == 0


async def test_waiting_frame_is_sent_when_acknowledgements_are_collected(
    hub: Hub, camera: Camera
) -> None:
    writer = RecordingWriter()
    join_v1(hub, writer)
    await camera.send(*map(picture, range(1, 4)))
    assert writer.frames() == [1, 2]
    writer.unread = [b'{"ack": 2}']
    async with asyncio.timeout(30):
        while writer.frames() != [1, 2, 3]:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    "message", [b"{}", b"[]", b"null", b'{"ack": "1"}', b"\xff", b"x" * 99, "{"]
)
async def test_invalid_acknowledgement_gives_no_credit(
    hub: Hub, camera: Camera, message: bytes | str
) -> None:
    writer = RecordingWriter()
    viewer = join_v1(hub, writer)
    await camera.send(*map(picture, range(1, 4)))
    assert viewer.receive(message) is False
    assert viewer.receive(b'{"ack": 7}') is False
    assert writer.frames() == [1, 2]
    assert viewer.receive('{"ack":1,"more":true}') is True
    assert writer.frames() == [1, 2, 3]


async def test_status_goes_first_and_needs_no_credit(hub: Hub, camera: Camera) -> None:
    writer = RecordingWriter()
    join_v1(hub, writer)
    await camera.send(*map(picture, range(1, 4)), Status("stale", 9, "No picture for a while."))
    assert [message["type"] for message in writer.texts()] == ["status"]
    writer.is_full = True
    await camera.send(Status("live", 10), picture(5), Status("stale", 11))
    writer.drain()
    assert [message["state"] for message in writer.texts()] == ["stale", "stale"], "only the newest"


async def test_viewer_that_left_gets_nothing_and_is_counted(hub: Hub, camera: Camera) -> None:
    writer = RecordingWriter()
    viewer = join_seed(hub, writer)
    await camera.send(picture(1))
    viewer.leave()
    viewer.leave()
    await camera.send(picture(2), Status("live", 1))
    writer.drain()
    assert writer.frames() == [1]
    assert hub.tallies["a"].delivered == {"seed": 1}


async def test_ages_at_delivery_are_counted_for_every_viewer(hub: Hub, camera: Camera) -> None:
    for _ in range(3):
        join_seed(hub, RecordingWriter())
    shown = picture(1, 0.07)
    await camera.send(shown)
    tally = hub.tallies["a"]
    assert sum(tally.ages) == 3
    assert sum(tally.ages[:3]) == 0
    assert 200 <= tally.age_ms <= 3 * shown.age_ms
